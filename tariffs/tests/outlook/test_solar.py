"""Homes that return energy to the grid: what is billed, how far it can be trusted, and what the contract is told."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Contract, Home
from accounts.services import contract_change
from devices.models import Device
from devices.selectors import roles_of
from tariffs.cfe.bill import Certainty, Doubt, kwh_to_bill
from tariffs.models import PaperBill
from tariffs.selectors.outlook import RunningCycle, outlook_of, past_periods, running_cycle
from tariffs.selectors.paper_bills import explained_bill
from tariffs.tests.homes import panels, used_hourly
from telemetry.history.window import hour_of
from telemetry.models import Hour

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]
NOW = datetime(2026, 6, 11, 18, 30, tzinfo=UTC)  # noon in Mexico City, 252 hours into a cycle of June
DAY = timedelta(days=1)
NETTED = Contract.Generation.NET_METERING


@pytest.fixture
def solar(home: Home, meter: Device) -> Device:
    """A home in tariff 1C by months that draws 8 kWh a day and returns 7.2."""
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1C", generation=NETTED)
    panels(meter, hour_of(NOW) - 60 * DAY, hour_of(NOW))
    return meter


def test_what_was_returned_is_taken_from_what_was_drawn(home: Home, solar: Device) -> None:
    outlook = outlook_of(home, NOW)
    drawn, returned = 10 * 8 + 4.5, 10 * 7.2 + 2.7  # ten days, and the morning
    assert outlook.generation is not None
    assert outlook.generation.scheme == NETTED
    assert outlook.generation[1:] == pytest.approx((drawn, returned, 0))
    assert outlook.now.kwh == pytest.approx(drawn - returned)
    assert outlook.now.bill.kwh == kwh_to_bill(drawn - returned)
    assert (outlook.now.bill.certainty, outlook.now.bill.doubts[0]) == (Certainty.ESTIMATE, Doubt.NET_METERING)
    assert outlook.ahead is not None
    assert outlook.ahead.kwh.expected == pytest.approx(30 * 0.8, abs=6)
    assert outlook.ahead.kwh.low <= 24 <= outlook.ahead.kwh.high
    assert outlook.ahead.bill.certainty == Certainty.ESTIMATE


def test_a_surplus_is_credited_to_the_next_cycle(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 5, 1), tariff="1C", generation=NETTED)
    start = datetime(2026, 4, 1, 6, tzinfo=UTC)
    panels(meter, start, start + 61 * DAY, returned_wh=1_500.0)  # April counts for nothing: it was not netted
    used_hourly(meter, datetime(2026, 6, 1, 6, tzinfo=UTC), hour_of(NOW), lambda _hour: 400.0)
    running = running_cycle(home, NOW)
    surplus = 31 * (12 - 8)
    assert running.returned.credit_kwh == pytest.approx(surplus)
    assert running.billed.kwh.expected == 0
    assert outlook_of(home, NOW).now.bill.kwh == 0
    assert running.so_far.kwh.expected == pytest.approx(252 * 0.4)


@pytest.mark.parametrize(
    ("scheme", "doubt"),
    [(Contract.Generation.NONE, Doubt.RETURNED_ENERGY), (Contract.Generation.NET_BILLING, Doubt.NET_BILLING)],
)
def test_without_netting_what_was_drawn_is_billed_and_never_as_exact(
    home: Home, solar: Device, scheme: str, doubt: Doubt
) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), generation=scheme)
    now = outlook_of(home, NOW).now
    assert now.kwh == pytest.approx(84.5)
    assert now.bill.certainty == Certainty.ESTIMATE
    assert now.bill.doubts[0] == doubt


def test_a_home_without_panels_is_billed_as_before(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1C")
    used_hourly(meter, hour_of(NOW) - 60 * DAY, hour_of(NOW), lambda _hour: 500.0)
    outlook = outlook_of(home, NOW)
    assert not {Doubt.RETURNED_ENERGY, Doubt.NET_METERING} & set(outlook.now.bill.doubts)


def measured_kwh(running: RunningCycle) -> tuple[float, float]:
    return running.so_far.kwh.expected, running.billed.kwh.expected


def test_the_hour_that_has_begun_counts_on_both_sides(home: Home, solar: Device) -> None:
    drawn, billed = measured_kwh(running_cycle(home, NOW))
    Hour.objects.create(
        device_id=solar.pk,
        channel=0,
        start=hour_of(NOW),
        measured_wh=100,
        recovered_wh=0,
        returned_wh=600,
        covered_s=900,
        samples=180,
    )
    assert measured_kwh(running_cycle(home, NOW)) == pytest.approx((drawn + 0.1, billed + 0.1 - 0.6))


def test_the_contract_is_told_of_returned_energy_until_it_says_what_happens_to_it(
    api: APIClient, home: Home, meter: Device
) -> None:
    now = hour_of(datetime.now(UTC))
    panels(meter, now - 3 * DAY, now, returned_wh=100.0)
    assert api.get("/api/v1/contract").json()["proposals"]["generation"] == "net_metering"
    for scheme in ("net_billing", "net_metering"):
        assert "generation" not in api.put("/api/v1/contract", {"generation": scheme}, format="json").json()["proposals"]


def test_a_home_that_returned_nothing_is_told_nothing(api: APIClient, home: Home, meter: Device) -> None:
    now = hour_of(datetime.now(UTC))
    used_hourly(meter, now - 3 * DAY, now, lambda _hour: 500.0)
    body: dict[str, Any] = api.get("/api/v1/contract").json()
    assert (body["generation"], body["proposals"]) == ("none", {})


def test_the_outlook_shows_both_directions(api: APIClient, home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1C", generation=NETTED)
    now = hour_of(datetime.now(UTC))
    panels(meter, now - 70 * DAY, now)
    generation = api.get("/api/v1/tariffs/outlook").json()["generation"]
    assert generation["scheme"] == "net_metering"
    assert set(generation) == {"scheme", "drawn_kwh", "returned_kwh", "credit_kwh"}


def test_dac_goes_by_what_is_billed(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2025, 1, 1), tariff="1", generation=NETTED)
    panels(meter, datetime(2025, 6, 1, 6, tzinfo=UTC), hour_of(NOW), returned_wh=500.0)
    netting = outlook_of(home, NOW).dac
    contract_change(home=home, valid_from=date(2025, 1, 1), generation=Contract.Generation.NONE)
    plain = outlook_of(home, NOW).dac
    assert netting is not None
    assert plain is not None
    assert netting.projection.average is not None
    assert plain.projection.average is not None
    assert plain.projection.average.expected == pytest.approx(365 * 8 / 12, rel=0.01)
    assert netting.projection.average.expected == pytest.approx(365 * 4 / 12, rel=0.01)
    assert netting.projection.months_estimated == 12


def test_a_surplus_lowers_the_bills_after_it_for_dac_too(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2025, 1, 1), tariff="1", generation=NETTED)
    start = datetime(2026, 3, 1, 6, tzinfo=UTC)
    panels(meter, start, start + 31 * DAY, returned_wh=1_500.0)
    used_hourly(meter, start + 31 * DAY, hour_of(NOW), lambda _hour: 100.0)
    uses = {use.start: use.kwh.expected for use in past_periods(home, roles_of(home), date(2026, 6, 1))}
    assert uses == {date(2026, 3, 1): 0, date(2026, 4, 1): 0, date(2026, 5, 1): pytest.approx(72 + 74 - 31 * 4, abs=1)}


def test_a_paper_bill_is_compared_with_what_is_left_of_what_was_drawn(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2025, 1, 1), tariff="1C", generation=NETTED)
    panels(meter, datetime(2026, 5, 1, 6, tzinfo=UTC), datetime(2026, 6, 1, 6, tzinfo=UTC), returned_wh=500.0)
    bill = PaperBill(home=home, start=date(2026, 5, 1), end=date(2026, 6, 1), kwh=31 * 4, total_mxn=Decimal(150))
    found = explained_bill(bill).reconciliation
    assert found.measured_kwh == 31 * 4
    assert found.difference_kwh == 0
