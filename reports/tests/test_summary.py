from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Contract, Home
from analysis.models import Recommendation
from devices.models import Device
from reports.api.serializers import SummarySerializer
from reports.selectors import Summary, dashboard_summary
from tariffs.cfe.cycles import Cycle
from tariffs.selectors.cycles import cycle_bounds
from tariffs.tests.homes import used_hourly
from telemetry.history.window import HOUR, hour_of
from telemetry.models import Hour

pytestmark = pytest.mark.django_db
JUNE = Cycle(date(2026, 6, 1), date(2026, 7, 1))


@pytest.fixture
def home_1b(home: Home) -> Home:
    Contract.objects.filter(home=home).update(tariff="1B", summer_start_month=4)
    home.refresh_from_db()
    return home


def _summary(home: Home, energy_wh: float, cycle: Cycle = JUNE) -> Summary:
    """Return the summary of a home that used the energy in the hour before noon of 12 June, or of another cycle's first day."""
    noon = datetime(2026, 6, 12, 18, 30, tzinfo=UTC) if cycle == JUNE else datetime.combine(cycle.start, time(18, 30), UTC)
    device = Device.objects.get_or_create(home=home, hardware_id="a8032412c3d4", name="Cocina")[0]
    Hour.objects.filter(device_id=device.pk).delete()
    last = hour_of(noon) - HOUR
    used_hourly(device, cycle_bounds(home, cycle)[0], last + HOUR, lambda hour: energy_wh if hour == last else 0.0)
    return dashboard_summary(home, noon)


def test_a_used_cycle_costs_what_cfe_would_print_for_its_whole_kwh(home_1b: Home, prices: None) -> None:
    summary = _summary(home_1b, 164_999.0)
    # 165 kWh in June 2026: 125 × 1.007 + 40 × 1.167 = 125.88 + 46.68 = 172.56, and IVA 27.61
    data = dict(SummarySerializer(summary).data)
    outlook = data.pop("outlook")
    assert (outlook["now"]["cost_mxn"], outlook["now"]["kwh_estimated"]) == (200.17, 0)
    assert data == {
        "kwh_consumed_cycle": Decimal("164.999"),
        "estimated_cost_mxn": Decimal("200.17"),
        "billing_cycle_start": "2026-06-01",
        "billing_cycle_end": "2026-06-30",
        "days_in_cycle": 11,
        "current_tariff": "1b",
        "carbon_footprint": {
            "co2_emitted_kg": Decimal("73.26"),
            "equivalent_trees_absorption_per_year": Decimal("3.33"),
        },
        "latest_recommendation": None,
        "cost_certainty": "provisional",
        "price_month": "2026-06",
        "kwh_measured_cycle": Decimal("164.999"),
        "hours_passed": 276,
        "hours_known": Decimal("276.0"),
    }


@pytest.mark.parametrize("energy_wh", [0.0, -0.4, 0.3])
def test_a_cycle_without_energy_costs_nothing_and_needs_no_price(home: Home, energy_wh: float) -> None:
    summary = _summary(home, energy_wh)
    assert (summary.kwh_consumed_cycle, summary.estimated_cost_mxn, summary.cost_certainty, summary.price_month) == (
        Decimal(0),
        Decimal(0),
        None,
        None,
    )


def test_the_first_watt_hours_cost_the_minimum(home_1b: Home, prices: None) -> None:
    costs = {wh: _summary(home_1b, wh).estimated_cost_mxn for wh in (1.0, 24_000.0, 25_000.0, 26_000.0)}
    assert costs[1.0] == costs[24_000.0] == costs[25_000.0] < costs[26_000.0]


def test_the_noise_of_adding_floats_does_not_take_a_kwh(home_1b: Home, prices: None) -> None:
    assert _summary(home_1b, 99_999.9999).estimated_cost_mxn == _summary(home_1b, 100_000.0).estimated_cost_mxn


def test_a_price_that_is_not_printed_makes_the_cost_provisional(home: Home, prices: None) -> None:
    home.contract.tariff = "DAC"
    summary = _summary(home, 500_000.0, Cycle(date(2026, 11, 1), date(2026, 12, 1)))
    assert (summary.cost_certainty, summary.price_month, summary.current_tariff) == ("provisional", "2026-10", "DAC")


def test_without_any_price_the_kwh_are_shown_and_the_cost_is_unknown(home: Home) -> None:
    summary = _summary(home, 1000.0)
    assert (summary.kwh_consumed_cycle, summary.carbon_footprint.co2_emitted_kg > 0) == (Decimal(1), True)
    assert (summary.estimated_cost_mxn, summary.cost_certainty, summary.price_month, summary.outlook) == (None,) * 4


def test_settings_replace_the_grid_s_factor_and_the_tree(home: Home, prices: None, settings: Any) -> None:
    settings.CARBON_EMISSION_FACTOR_KG_PER_KWH = Decimal("0.527")
    settings.CARBON_KG_PER_TREE_AND_YEAR = 20.0
    footprint = _summary(home, 100_000.0).carbon_footprint
    assert footprint == (Decimal("52.7"), Decimal("2.635"))


def test_the_year_of_the_cycle_s_last_day_names_the_factor(home: Home, prices: None) -> None:
    Contract.objects.filter(home=home).update(billing_day=20)
    home.refresh_from_db()
    factors = [
        _summary(home, 1_000_000.0, Cycle(date(2022, month, 20), date(2022 + month // 12, month % 12 + 1, 20))).carbon_footprint[
            0
        ]
        for month in (11, 12)
    ]
    assert factors == [Decimal(435), Decimal(438)]


@pytest.mark.parametrize(("tariff", "shown"), [("1", "1"), ("1F", "1f"), ("DAC", "DAC")])
def test_the_tariff_is_shown_in_lower_case_but_dac(home: Home, tariff: str, shown: str) -> None:
    home.contract.tariff = tariff
    assert SummarySerializer(_summary(home, 0.0)).data["current_tariff"] == shown


def test_the_dashboard_is_that_of_the_home_s_local_date(home: Home) -> None:
    Contract.objects.filter(home=home).update(billing_day=31)
    Recommendation.objects.create(home=home, text="Apaga el boiler.")
    home.refresh_from_db()
    summary = dashboard_summary(home, datetime(2026, 12, 1, 5, tzinfo=UTC))  # 23:00 of 30 November at home
    assert (summary.billing_cycle_start, summary.billing_cycle_end) == (date(2026, 11, 30), date(2026, 12, 30))
    assert (summary.days_in_cycle, summary.latest_recommendation) == (0, "Apaga el boiler.")


@pytest.mark.parametrize(("energy_wh", "kwh"), [(244.61, "0.245"), (244.4, "0.244"), (1_234_567.8, "1234.568")])
def test_energy_is_rounded_once_to_the_wh(home_1b: Home, prices: None, energy_wh: float, kwh: str) -> None:
    data = SummarySerializer(_summary(home_1b, energy_wh)).data
    assert data["kwh_consumed_cycle"] == data["kwh_measured_cycle"] == Decimal(kwh)
