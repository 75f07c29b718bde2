import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from accounts.models import Home
from tariffs.models import Price
from tariffs.services import prices_load
from tariffs.tests.helpers import all_rates


def _type_exists() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_type WHERE typname = 'tariffs_text_range'")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_the_constraint_comes_over_prices_that_are_there_and_goes_again() -> None:
    prices_load(rates=all_rates())
    try:
        call_command("migrate", "tariffs", "0001", verbosity=0)
        assert not _type_exists()
    finally:
        call_command("migrate", verbosity=0)
    assert _type_exists()
    with pytest.raises(IntegrityError, match="tariffs_price_no_overlap"):
        Price.objects.filter(tariff="1B", tier="intermedio").update(lower_kwh_month=0)


@pytest.mark.django_db(transaction=True)
def test_the_history_begins_with_the_prices_and_contracts_that_are_there(home: Home) -> None:
    prices_load(rates=[rate for rate in all_rates() if rate.tariff == "1B"])
    try:
        call_command("migrate", "tariffs", "0002", verbosity=0)
        call_command("migrate", "accounts", "0003", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    price = Price.objects.filter(tariff="1B").latest("month")
    assert Price.history.count() == Price.objects.count()
    assert price.history.get().price_mxn_per_kwh == price.price_mxn_per_kwh
    assert [record.history_object for record in home.contract.history.all()] == [home.contract]
