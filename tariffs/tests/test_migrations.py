from datetime import date

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from accounts.models import Contract, Home
from accounts.services import contract_change
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


OLD_CONTRACT = """
INSERT INTO accounts_contract (home_id, tariff, billing_day, summer_start_month, dac_region, iva_rate)
VALUES (%s, '1C', 15, 4, 'noroeste', 0.16)
"""


@pytest.mark.django_db(transaction=True)
def test_a_released_database_comes_over_serves_the_old_code_meanwhile_and_goes_back(home: Home) -> None:
    other = Home.objects.create(name="Casa de Ana")
    try:
        call_command("migrate", "tariffs", "0001", verbosity=0)
        call_command("migrate", "accounts", "0002", verbosity=0)
        _execute(OLD_CONTRACT, other.pk)
        call_command("migrate", verbosity=0)
        last = Home.objects.create(name="Casa de Eva")
        _execute(OLD_CONTRACT, last.pk)  # as a process that has not been restarted yet would
        for each in (other, last):
            (version,) = Home.objects.get(pk=each.pk).contract_versions
            assert (version.tariff, version.billing_day, version.billing_months) == ("1C", 15, 1)
            version.full_clean()
        contract_change(home=other, valid_from=date(2026, 6, 20), tariff="1D")
        contract_change(home=other, valid_from=date(2096, 6, 20), tariff="1E")
        Contract.objects.filter(home=last).update(valid_from=date(2096, 6, 20))
        call_command("migrate", "tariffs", "0001", verbosity=0)
        call_command("migrate", "accounts", "0002", verbosity=0)
        kept = [_execute("SELECT tariff FROM accounts_contract WHERE home_id = %s", each.pk) for each in (other, last)]
        assert kept == [[("1D",)], [("1C",)]]  # what is in force, or will be
        with pytest.raises(IntegrityError):
            _execute(OLD_CONTRACT, other.pk)  # one contract a home again
    finally:
        call_command("migrate", verbosity=0)


def _execute(statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
