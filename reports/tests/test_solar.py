"""The dashboard of a home that returns energy to the grid."""

from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.models import Contract, Home
from accounts.services import contract_change
from devices.models import Device
from reports.selectors import dashboard_summary
from tariffs.cfe.bill import Certainty
from tariffs.tests.homes import panels
from telemetry.history.window import hour_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]
NOW = datetime(2026, 6, 11, 18, 30, tzinfo=UTC)


def test_the_dashboard_shows_what_was_drawn_and_the_bill_of_what_is_left(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1C", generation=Contract.Generation.NET_METERING)
    panels(meter, hour_of(NOW) - timedelta(days=60), hour_of(NOW))
    summary = dashboard_summary(home, NOW)
    assert float(summary.kwh_consumed_cycle) == pytest.approx(84.5)
    assert summary.cost_certainty == Certainty.ESTIMATE
    contract_change(home=home, valid_from=date(2026, 1, 1), generation=Contract.Generation.NONE)
    without = dashboard_summary(home, NOW)
    assert summary.estimated_cost_mxn is not None
    assert without.estimated_cost_mxn is not None
    assert summary.estimated_cost_mxn < without.estimated_cost_mxn
