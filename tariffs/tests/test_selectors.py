from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.cfe_tariffs import DAC_REGIONS
from accounts.models import Contract, Home
from tariffs.cfe.bill import Doubt
from tariffs.cfe.cycles import Cycle
from tariffs.exceptions import PricesMissing
from tariffs.selectors.cycles import bill_for, cycle_bounds, cycle_on, local_date

pytestmark = pytest.mark.django_db
JUNE = Cycle(date(2026, 6, 1), date(2026, 7, 1))


def test_the_cycle_follows_the_home_s_own_date(home: Home) -> None:
    home.contract.billing_day = 12
    moment = datetime(2026, 11, 12, 5, 30, tzinfo=UTC)  # still the 11th in Mexico City, the 12th in Cancún
    assert cycle_on(home, local_date(home, moment)) == (date(2026, 10, 12), date(2026, 11, 12))
    home.time_zone = "America/Cancun"
    assert cycle_on(home, local_date(home, moment)) == (date(2026, 11, 12), date(2026, 12, 12))


def test_a_cycle_is_cut_at_local_midnights_even_where_the_clocks_change(home: Home) -> None:
    home.time_zone = "America/Tijuana"
    start, end = cycle_bounds(home, Cycle(date(2026, 10, 15), date(2026, 11, 15)))
    assert (start.isoformat(), end.isoformat()) == ("2026-10-15T07:00:00+00:00", "2026-11-15T08:00:00+00:00")


def test_a_bill_takes_the_contract_s_tariff_season_and_tax(home: Home, prices: None) -> None:
    contract = Contract(home=home, tariff="1B", summer_start_month=4, iva_rate=Decimal("0.08"))
    bill = bill_for(contract, JUNE, 200)
    assert [(line.season, line.kwh) for line in bill.lines] == [("verano", 125), ("verano", 75)]
    assert (bill.price_month, bill.iva) == (date(2026, 6, 1), (bill.energy_subtotal * 8 / 100).quantize(Decimal("0.01")))


def test_a_dac_bill_takes_the_contract_s_region(home: Home, prices: None) -> None:
    bills = [bill_for(Contract(home=home, tariff="DAC", dac_region=region), JUNE, 100) for region in DAC_REGIONS]
    assert len({bill.lines[0].price for bill in bills}) == len(bills)
    assert {bill.fixed_charge for bill in bills} == {Decimal("144.79")}
    assert {bill.doubts for bill in bills} == {(Doubt.MONTHLY_PRICE_MONTH,)}


def test_a_bill_is_one_query(home: Home, prices: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    contract = home.contract
    with django_assert_num_queries(1):
        bill_for(contract, JUNE, 900)


def test_a_tariff_without_prices_is_an_error_that_can_be_shown(home: Home) -> None:
    with pytest.raises(PricesMissing, match="Los precios de CFE de esta tarifa no están cargados"):
        bill_for(home.contract, JUNE, 900)
