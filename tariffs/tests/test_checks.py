from datetime import date
from io import StringIO

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask
from structlog.testing import capture_logs

from tariffs import tasks
from tariffs.models import Price
from tariffs.selectors.prices import mexican_today, price_gaps

pytestmark = pytest.mark.django_db


def _warnings() -> list[str]:
    return [
        str(message.msg) for message in run_checks(tags=[Tags.database], databases=["default"]) if message.id == "tariffs.W001"
    ]


@pytest.mark.usefixtures("prices")
def test_a_month_without_a_published_price_is_named_with_what_stands_in() -> None:
    gaps = {(gap.tariff, gap.region): gap.instead for gap in price_gaps(date(2026, 10, 1))}
    assert ("DAC", "central") not in gaps
    assert gaps["DAC", "noroeste"] == "derived ones"
    assert set(gaps) == {("DAC", region) for region in Price.objects.filter(tariff="DAC").values_list("region", flat=True)} - {
        ("DAC", "central")
    }
    later = {(gap.tariff, gap.region): gap.instead for gap in price_gaps(date(2027, 1, 1))}
    assert (later["1", "nacional"], later["DAC", "central"]) == ("those of 2026-12", "those of 2026-10")
    assert len(later) == 13


@pytest.mark.usefixtures("prices")
def test_the_check_of_the_database_warns_of_this_month_and_is_still_once_its_prices_are_published() -> None:
    month = mexican_today().replace(day=1)
    Price.objects.filter(month=month).delete()
    warnings = _warnings()
    assert len(warnings) == 13
    assert f"Bills of {month:%Y-%m}: no published price of tariff DAC in central" in "\n".join(warnings)
    for price in list(Price.objects.filter(month=date(2026, 5, 1))):
        price.pk, price.month, price.provenance = None, month, "published"
        price.save()
    assert _warnings() == []


def test_a_check_without_a_database_asks_it_nothing() -> None:
    assert [message for message in run_checks(tags=[Tags.database]) if message.id == "tariffs.W001"] == []
    errors = StringIO()
    call_command("check", databases=["default"], stderr=errors, stdout=errors)
    assert "no published price of tariff 1F, none stand in" in errors.getvalue()
    assert "load_cfe_prices" in errors.getvalue()


@pytest.mark.usefixtures("prices")
def test_a_daily_task_logs_a_line_for_each_tariff_without_a_published_price() -> None:
    Price.objects.filter(tariff="1F", month=mexican_today().replace(day=1)).delete()
    with capture_logs() as lines:
        tasks.prices_check()
    (line,) = [line for line in lines if line["tariff"] == "1F"]
    assert (line["event"], line["log_level"], line["region"]) == ("price_not_published", "warning", "nacional")
    assert PeriodicTask.objects.get(task="tariffs.tasks.prices_check").crontab is not None
