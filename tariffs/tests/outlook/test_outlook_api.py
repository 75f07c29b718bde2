from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home, User
from accounts.services import contract_change
from conftest import client_of
from devices.models import Device
from devices.selectors import roles_of
from tariffs.admin.bill_preview import bill_preview
from tariffs.api.serializers.outlook import OutlookSerializer, dac_note
from tariffs.cfe.bill import Certainty, Doubt
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.tariffs import DAC_LIMITS_KWH_MONTH, Tier
from tariffs.models import PaperBill, Price
from tariffs.selectors.outlook import outlook_of, past_periods
from tariffs.tests.homes import used_hourly
from telemetry.columns import Flag
from telemetry.history.window import hour_of
from telemetry.models import Hour

URL = "/api/v1/tariffs/outlook"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]
NOW = datetime(2026, 6, 11, 18, 30, tzinfo=UTC)  # noon in Mexico City, ten days into a cycle of June
DAY = timedelta(days=1)


@pytest.fixture
def steady(home: Home, meter: Device) -> Device:
    """A meter that has used 500 W for five weeks, in tariff 1 by months."""
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1")
    used_hourly(meter, hour_of(NOW) - 35 * DAY, hour_of(NOW), lambda _hour: 500.0)
    return meter


def test_a_steady_home_goes_on_as_it_did(home: Home, steady: Device) -> None:
    outlook = outlook_of(home, NOW)
    assert (outlook.cycle.start, outlook.cycle.end) == (date(2026, 6, 1), date(2026, 7, 1))
    hours_so_far = 10 * 24 + 12
    assert outlook.now.kwh == pytest.approx(hours_so_far * 0.5)
    assert outlook.ahead is not None
    assert outlook.ahead.kwh.expected == pytest.approx(360, rel=0.02)
    assert outlook.ahead.kwh.low <= 360 <= outlook.ahead.kwh.high
    assert outlook.ahead.cost_mxn.low <= outlook.ahead.bill.grand_total <= outlook.ahead.cost_mxn.high


@pytest.fixture
def half_known(home: Home, meter: Device) -> Device:
    """A meter of a steady 1 kW since April, in 1C by months, which was not heard on 15 of the first 25 days of the cycle."""
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1C")
    start = datetime(2026, 6, 1, 6, tzinfo=UTC)
    used_hourly(meter, start - 40 * DAY, start + 5 * DAY, lambda _hour: 1_000.0)
    used_hourly(meter, start + 20 * DAY, start + 25 * DAY, lambda _hour: 1_000.0)
    return meter


HALF_KNOWN_AT = datetime(2026, 6, 26, 6, tzinfo=UTC)


def test_unknown_hours_are_estimated_and_not_zero(home: Home, half_known: Device) -> None:
    outlook = outlook_of(home, HALF_KNOWN_AT)
    now = outlook.now
    assert (now.so_far.measured_kwh, now.so_far.hours_known, now.so_far.hours_passed) == (240, 240, 600)
    assert now.kwh == pytest.approx(600, rel=0.02)
    assert now.so_far.kwh.low < 600 < now.so_far.kwh.high
    assert now.so_far.kwh.high - now.so_far.kwh.low < 120
    assert now.position.tier == Tier.EXCESS  # what was measured alone is in the second of four
    assert (now.bill.certainty, now.bill.doubts) == (Certainty.ESTIMATE, (Doubt.ESTIMATED_HOURS, Doubt.MONTHLY_PRICE_MONTH))
    assert outlook.ahead is not None
    assert outlook.ahead.kwh.expected == pytest.approx(720, rel=0.02)
    assert outlook.ahead.kwh.low <= 720 <= outlook.ahead.kwh.high


def test_a_counter_that_tells_of_a_gap_makes_its_hours_known(home: Home, half_known: Device) -> None:
    start = datetime(2026, 6, 6, 6, tzinfo=UTC)
    hours = [start + timedelta(hours=hour) for hour in range(15 * 24)]
    gap = {"device_id": half_known.pk, "channel": 0, "measured_wh": 0, "returned_wh": 0, "covered_s": 0, "samples": 0}
    Hour.objects.bulk_create(Hour(start=hour, recovered_wh=500, flags=Flag.RECOVERED, **gap) for hour in hours)
    now = outlook_of(home, HALF_KNOWN_AT).now
    assert (now.kwh, now.bill.doubts) == (240 + 180, (Doubt.MONTHLY_PRICE_MONTH,))


def test_late_readings_take_the_place_of_the_estimate_at_once(home: Home, half_known: Device) -> None:
    assert outlook_of(home, HALF_KNOWN_AT).now.kwh == pytest.approx(600, rel=0.02)
    gone = datetime(2026, 6, 6, 6, tzinfo=UTC)
    used_hourly(half_known, gone, gone + 15 * DAY, lambda _hour: 2_000.0)
    now = outlook_of(home, HALF_KNOWN_AT).now
    assert (now.kwh, now.bill.doubts) == (240 + 720, (Doubt.MONTHLY_PRICE_MONTH,))


def test_a_meter_of_four_days_says_what_the_cycle_had_before_it(home: Home, meter: Device) -> None:
    used_hourly(meter, hour_of(NOW) - 4 * DAY, hour_of(NOW), lambda _hour: 500.0)
    now = outlook_of(home, NOW).now
    assert now.so_far.measured_kwh == 48
    assert now.kwh == pytest.approx(126, rel=0.1)
    assert now.so_far.kwh.low < 126 < now.so_far.kwh.high
    assert now.bill.certainty == Certainty.ESTIMATE


def test_without_habits_what_is_measured_is_a_lower_bound_and_said_to_be(home: Home, meter: Device) -> None:
    used_hourly(meter, hour_of(NOW) - 2 * DAY, hour_of(NOW), lambda _hour: 500.0)
    now = OutlookSerializer(outlook_of(home, NOW)).data["now"]
    assert (now["kwh"], now["kwh_measured"], now["kwh_low"]) == (24, 24, 24)
    assert (now["kwh_estimated"], now["kwh_high"], now["cost_high_mxn"]) == (None, None, None)
    assert (now["certainty"], now["hours_known"], now["hours_passed"]) == ("estimate", 48, 252)
    assert "al menos" in now["reasons"][0]


def test_hours_seen_in_part_are_filled_in_part(home: Home, meter: Device) -> None:
    used_hourly(meter, hour_of(NOW) - 35 * DAY, hour_of(NOW), lambda _hour: 400.0)
    Hour.objects.update(covered_s=0.8 * 3600)
    now = outlook_of(home, NOW).now
    assert now.so_far.measured_kwh == pytest.approx(100.8)
    assert now.kwh == pytest.approx(126, rel=0.01)


def test_of_two_circuits_the_silent_one_is_estimated(home: Home, meter: Device) -> None:
    other = Device.objects.create(home=home, hardware_id="a8032412c3e1", name="Clima")
    used_hourly(meter, hour_of(NOW) - 35 * DAY, hour_of(NOW), lambda _hour: 200.0)
    used_hourly(other, hour_of(NOW) - 35 * DAY, hour_of(NOW) - 8 * DAY, lambda _hour: 1_800.0)
    now = outlook_of(home, NOW).now
    assert now.so_far.hours_known == pytest.approx(252 - 192 * 0.9)
    assert now.kwh == pytest.approx(504, rel=0.02)
    assert now.bill.certainty == Certainty.ESTIMATE


def test_the_next_tier_has_a_date_before_the_home_is_in_it(home: Home, steady: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1C")  # summer from May: tiers to 150, 300, 450
    tier = outlook_of(home, NOW).next_tier
    assert tier is not None
    assert tier.crossing is not None
    assert (tier.tier, tier.begins_after_kwh) == ("intermedio_bajo", 150)
    assert tier.crossing.expected == date(2026, 6, 13)  # 126 kWh so far, 12 a day: noon of the second day
    assert tier.kwh_per_day_to_avoid == pytest.approx((150 - 126) / (20 - 12 / 24))


@pytest.fixture
def half_a_year(home: Home, steady: Device) -> Device:
    """Paper bills of the months before the steady meter, of 200 kWh each."""
    for month in range(10, 16):
        start, end = (date(2025 + each // 12, each % 12 + 1, 1) for each in (month, month + 1))
        PaperBill.objects.create(home=home, start=start, end=end, kwh=200, total_mxn=300)
    return steady


def test_dac_is_reached_at_this_pace_and_what_it_adds_is_told(home: Home, half_a_year: Device) -> None:
    dac = outlook_of(home, NOW).dac
    assert dac is not None
    assert (dac.projection.limit_kwh_month, dac.projection.months_known) == (DAC_LIMITS_KWH_MONTH["1"], 7)
    assert dac.projection.average is not None
    assert dac.projection.average.expected == pytest.approx((6 * 200 + 372) / 7, rel=0.01)
    assert dac.projection.crossing is not None
    assert dac.projection.crossing.expected == date(2026, 9, 1)  # 12 kWh a day: 360 a month, above 250
    assert dac.added_mxn is not None
    assert dac.added_mxn > 500


def test_the_months_until_dac_are_counted_from_now(home: Home, half_a_year: Device) -> None:
    outlook = outlook_of(home, NOW)
    dac = OutlookSerializer(outlook).data["dac"]
    assert (dac["crosses_on"], dac["months_until"], dac["note"]) == ("2026-09-01", 3, None)
    assert dac["crosses_earliest"] <= dac["crosses_on"]
    assert dac["kwh_per_day_to_stay_below"] < dac["pace_kwh_per_day"] == pytest.approx(12, rel=0.02)
    assert outlook.dac is not None
    projection = outlook.dac.projection
    assert projection.days_until == outlook.days_left + (date(2026, 9, 1) - outlook.cycle.end).days
    assert projection._replace(days_until=45.0 + 62).months_until == 4


def test_days_of_data_are_no_months_of_dac(home: Home, steady: Device) -> None:
    dac = OutlookSerializer(outlook_of(home, NOW)).data["dac"]
    assert (dac["months_known"], dac["crosses_on"], dac["crosses_earliest"], dac["kwh_per_day_to_stay_below"]) == (
        1,
        None,
        None,
        None,
    )
    assert dac["note"] == "Para una fecha de DAC hacen falta 6 meses de consumo conocido; por ahora hay 1."


def test_a_supply_of_this_year_has_no_dac(home: Home, half_a_year: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), supply_start=date(2025, 11, 3))
    dac = OutlookSerializer(outlook_of(home, NOW)).data["dac"]
    assert (dac["crosses_on"], dac["note"]) == ("2026-12-01", "En el primer año del suministro no hay DAC.")


def test_hours_missing_in_closed_cycles_do_not_hide_dac(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2024, 1, 1), tariff="1")
    used_hourly(
        meter, NOW.replace(hour=6, minute=0) - 400 * DAY, hour_of(NOW), lambda hour: 256.0 + 200 * (hour.toordinal() % 2)
    )  # 260 kWh a month
    Hour.objects.filter(start__day__in=[5, 17]).delete()
    dac = OutlookSerializer(outlook_of(home, NOW)).data["dac"]
    assert (dac["months_known"], dac["months_estimated"]) == (11, 12)
    assert dac["average_low_kwh_month"] < dac["average_kwh_month"] < dac["average_high_kwh_month"]
    assert dac["average_kwh_month"] == pytest.approx(260, rel=0.01)
    assert dac["crosses_on"] == "2026-07-01"


def test_a_home_in_dac_sees_when_it_leaves_by_the_limit_of_where_it_came_from(home: Home, half_a_year: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 2, 1), tariff="DAC")
    dac = outlook_of(home, NOW).dac
    assert dac is not None
    assert (dac.is_in, dac.projection.limit_kwh_month) == (True, 250)
    contract_change(home=home, valid_from=date(2026, 2, 1), base_tariff="1C")
    dac = outlook_of(home, NOW).dac
    assert dac is not None
    assert dac.projection.crossing is not None
    assert (dac.projection.limit_kwh_month, dac.projection.crossing.expected) == (850, date(2026, 7, 1))


def test_a_home_that_may_miss_leaving_dac_is_told_so(home: Home, meter: Device) -> None:
    contract_change(home=home, valid_from=date(2024, 1, 1), tariff="DAC", base_tariff="1")
    start = NOW.replace(hour=6, minute=0)
    used_hourly(meter, start - 400 * DAY, hour_of(NOW), lambda hour: 355.0 if start - hour > 10 * DAY else 320.0 * (hour.day % 2))
    outlook = outlook_of(home, NOW)
    assert outlook.dac is not None
    crossing = outlook.dac.projection.crossing
    assert crossing is not None
    assert crossing.latest is not None
    assert crossing.earliest == crossing.expected == date(2026, 7, 1) < crossing.latest
    assert OutlookSerializer(outlook).data["dac"]["note"].endswith(f"no sale de DAC hasta el {crossing.latest:%d/%m/%Y}.")
    never = dac_note(outlook.dac._replace(projection=outlook.dac.projection._replace(crossing=crossing._replace(latest=None))))
    assert never is not None
    assert never.endswith("el hogar no sale de DAC dentro de un año.")


MIDNIGHTS = {  # the first instants of cycles that are read on the 31st, around the border's changes of the clocks
    "America/Mexico_City": (datetime(2026, 3, 31, 6, tzinfo=UTC), datetime(2026, 2, 28, 6, tzinfo=UTC)),
    "America/Tijuana": (datetime(2026, 3, 31, 7, tzinfo=UTC), datetime(2026, 2, 28, 8, tzinfo=UTC)),
    "America/Cancun": (datetime(2026, 3, 31, 5, tzinfo=UTC), datetime(2026, 2, 28, 5, tzinfo=UTC)),
}


@pytest.mark.parametrize(("zone", "start"), [(zone, start) for zone, starts in MIDNIGHTS.items() for start in starts])
def test_a_cycle_has_an_outlook_from_its_first_hour_to_its_last(home: Home, meter: Device, zone: str, start: datetime) -> None:
    home.time_zone = zone
    home.save()
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1", billing_day=31)
    used_hourly(meter, start - 32 * DAY, start + timedelta(hours=1), lambda _hour: 500.0)
    last, first = (outlook_of(home, start + timedelta(minutes=minutes)) for minutes in (-1, 30))
    assert last.cycle.end == first.cycle.start
    assert last.days_left == pytest.approx(1 / 24)
    assert first.days_left == pytest.approx(first.cycle.day_count, abs=0.05)
    assert [last.now.kwh, first.now.kwh] == pytest.approx([(last.now.so_far.hours_passed + 1) / 2, 0.5])


def test_two_days_of_data_are_no_forecast_and_said_to_be_so(home: Home, meter: Device) -> None:
    used_hourly(meter, hour_of(NOW) - 2 * DAY, hour_of(NOW), lambda _hour: 500.0)
    outlook = outlook_of(home, NOW)
    assert (outlook.ahead, outlook.days_known, outlook.dac) == (None, 2.0, None)
    assert outlook.now.kwh == pytest.approx(24.0)


def test_a_bimonthly_cycle_has_a_bimonthly_bill(home: Home, steady: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 1, 1), billing_months=2, last_reading=date(2026, 5, 1))
    outlook = outlook_of(home, NOW)
    assert (outlook.cycle.start, outlook.cycle.end) == (date(2026, 5, 1), date(2026, 7, 1))
    assert outlook.now.position.kwh_left is None  # 35 days at 12 kWh are past 2 × 140
    contract_change(home=home, valid_from=date(2026, 1, 1), dap_share=Decimal("0.05"))
    assert outlook_of(home, NOW).now.bill.dap > 0


def test_the_api_tells_the_outlook_in_plain_numbers(api: APIClient, home: Home, meter: Device) -> None:
    now = timezone.now()
    used_hourly(meter, hour_of(now) - 10 * DAY, hour_of(now), lambda _hour: 400.0)
    body = api.get(URL).json()
    assert set(body) == {"cycle", "now", "forecast", "forecast_note", "next_tier", "dac", "generation"}
    assert body["now"]["kwh"] == pytest.approx(outlook_of(home, now).now.kwh, abs=0.002)
    assert body["forecast"]["kwh_low"] <= body["forecast"]["kwh"] <= body["forecast"]["kwh_high"]
    assert body["now"]["level_name"] in {"Básico", "Intermedio", "Excedente", "Intermedio Bajo", "Intermedio Alto"}
    assert body["now"]["cost_mxn"] <= body["now"]["cost_if_nothing_more_mxn"]
    assert all(isinstance(value, int | float | None) for value in body["forecast"].values())
    assert body["forecast_note"] is None


def test_an_outlook_holds_for_an_hour_and_is_not_sent_again_in_it(
    api: APIClient, home: Home, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = hour_of(timezone.now())
    used_hourly(meter, hour - 10 * DAY, hour, lambda _hour: 400.0)

    def answer_at(minute: int, **headers: str) -> Any:
        monkeypatch.setattr(timezone, "now", lambda: hour + timedelta(minutes=minute))
        return api.get(URL, headers=headers)

    known = {"If-None-Match": answer_at(1)["ETag"]}
    assert [answer_at(minute, **known).status_code for minute in (1, 30, 59, 61)] == [304, 304, 304, 200]


@pytest.mark.parametrize(("kwh", "billed", "tier"), [(250.4, 250, Tier.BASIC), (250.7, 251, Tier.MIDDLE)])
def test_a_cycle_has_the_same_kwh_while_it_runs_when_it_is_closed_and_where_staff_look(
    home: Home, meter: Device, kwh: float, billed: int, tier: Tier
) -> None:
    contract_change(  # in summer, its first tier ends at 250 kWh
        home=home, valid_from=date(2026, 1, 1), tariff="1B", billing_months=2, summer_start_month=4, last_reading=date(2026, 5, 1)
    )
    start, end = datetime(2026, 5, 1, 6, tzinfo=UTC), datetime(2026, 7, 1, 6, tzinfo=UTC)
    used_hourly(meter, start, end, lambda _hour: kwh * 1000 / (61 * 24))
    running = outlook_of(home, end - timedelta(minutes=1)).now
    (closed,) = past_periods(home, roles_of(home), date(2026, 7, 1))
    preview = bill_preview(home.contract_on(date(2026, 6, 1)), cycle=Cycle(date(2026, 5, 1), date(2026, 7, 1)), kwh=None)
    assert [running.bill.kwh, closed.kwh.expected, preview.kwh] == [billed] * 3
    assert running.bill.lines[-1].tier == tier


def test_a_home_without_devices_gets_an_outlook_of_nothing(api: APIClient) -> None:
    answer = api.get(URL)
    body = answer.json()
    assert (answer.status_code, body["now"]["kwh"], body["now"]["cost_mxn"], body["forecast"]) == (200, 0, 0, None)
    assert body["forecast_note"] == "Para un pronóstico hacen falta 3 días de datos; por ahora hay menos de uno."


def test_the_outlook_needs_a_login_a_home_and_prices(anonymous_api: APIClient, api: APIClient) -> None:
    assert anonymous_api.get(URL).status_code == 401
    admin = client_of(User.objects.create_superuser("admin@example.com", "secreta123", name="Admin"))
    assert admin.get(URL).status_code == 404
    Price.objects.all().delete()
    assert api.get(URL).json() == {"detail": "Los precios de CFE de esta tarifa no están cargados."}


def test_a_stranger_sees_a_home_of_his_own(stranger_api: APIClient, home: Home, meter: Device) -> None:
    now = timezone.now()
    used_hourly(meter, hour_of(now) - 10 * DAY, hour_of(now), lambda _hour: 400.0)
    assert stranger_api.get(URL).json()["now"]["kwh"] == 0


@pytest.mark.parametrize("circuits", [1, 4])
def test_the_outlook_is_the_same_few_queries_whatever_the_circuits(
    api: APIClient, home: Home, circuits: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now()
    for number in range(circuits):
        meter = Device.objects.create(home=home, hardware_id=f"a8032412c3e{number}", name="Circuito")
        used_hourly(meter, hour_of(now) - 10 * DAY, hour_of(now), lambda _hour: 400.0)
    # user, home, contract, mains, devices, energy, prices, what bills there are; for the habits hours; for the year bills, hours
    with django_assert_num_queries(10):
        api.get(URL)
    with django_assert_num_queries(7):  # habits and year are kept
        api.get(URL)


def test_a_paper_bill_counts_towards_dac_at_once(home: Home, steady: Device) -> None:
    before = outlook_of(home, NOW).dac
    PaperBill.objects.create(home=home, start=date(2026, 4, 1), end=date(2026, 5, 1), kwh=900, total_mxn=3_000)
    after = outlook_of(home, NOW).dac
    assert before is not None
    assert after is not None
    assert before.projection.average is not None  # of May alone
    assert (before.projection.average.expected, before.projection.months_known) == (372, 1)
    assert after.projection.average is not None
    assert (after.projection.average.expected, after.projection.months_known) == ((900 + 372) / 2, 2)


def test_another_meter_or_reading_changes_what_is_kept_at_once(home: Home, steady: Device) -> None:
    assert outlook_of(home, NOW).ahead is not None
    mains = Device.objects.create(home=home, hardware_id="a8032412c3ee", name="Casa", is_main=True)
    used_hourly(mains, hour_of(NOW) - 56 * DAY, hour_of(NOW), lambda _hour: 1_000.0)
    outlook = outlook_of(home, NOW)
    assert outlook.ahead is not None
    assert outlook.dac is not None
    assert outlook.ahead.kwh.expected == pytest.approx(720, rel=0.02)
    assert outlook.dac.projection.months_known == 1
    contract_change(home=home, valid_from=date(2025, 1, 1), tariff="1", billing_months=2, last_reading=date(2026, 4, 1))
    contract_change(home=home, valid_from=date(2026, 6, 1), billing_months=1)
    outlook = outlook_of(home, NOW)
    assert outlook.dac is not None
    assert outlook.dac.projection.months_estimated == 2  # the cycle before is April and May now, of which a part is measured


def test_the_outlook_goes_on_without_a_cache(home: Home, steady: Device, settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    assert outlook_of(home, NOW).dac is not None
