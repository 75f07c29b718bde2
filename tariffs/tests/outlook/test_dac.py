from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.cycles import Cycle, cycle_containing
from tariffs.cfe.tariffs import DAC_LIMITS_KWH_MONTH
from tariffs.outlook.dac import DacProjection, project_dac, usual_kwh
from tariffs.outlook.forecast import Crossing, Estimate
from tariffs.outlook.past_periods import PastPeriod, Source

START = date(2026, 6, 20)
DAY = timedelta(days=1)


def _exactly(kwh: float) -> Estimate:
    return Estimate(kwh, kwh, kwh)


def _cycles(months: int) -> list[Cycle]:
    cycles = [cycle_containing(START, 20, months, 6)]
    while len(cycles) < 12 // months:
        cycles.append(cycle_containing(cycles[-1].end, 20, months, 6))
    return cycles


def _past(uses: Sequence[float | Estimate], months: int = 2, before: date = START, **more: Any) -> list[PastPeriod]:
    """Return bills in a row before a date, the newest first."""
    bills: list[PastPeriod] = []
    for use in uses:
        start, _end = cycle_containing((bills[-1].start if bills else before) - DAY, 20, months, 6)
        kwh = use if isinstance(use, Estimate) else _exactly(use)
        bills.append(PastPeriod(start, bills[-1].start if bills else before, kwh, **({"source": Source.PAPER} | more)))
    return bills


def _projected(past: Sequence[float | PastPeriod], kwh: float | Estimate, months: int = 2, **more: Any) -> DacProjection:
    bills = [use for use in past if isinstance(use, PastPeriod)] or _past(
        [use for use in past if isinstance(use, int | float)], months
    )
    cycles = _cycles(months)
    given: dict[str, Any] = {
        "tariff": "1C",
        "is_in": False,
        "so_far_kwh": 0.0,
        "days_left": float(cycles[0].day_count),
        "cycles": cycles,
    }
    return project_dac(past=bills, cycle_kwh=kwh if isinstance(kwh, Estimate) else _exactly(kwh), **(given | more))


def _on(dac: DacProjection) -> date | None:
    return dac.crossing and dac.crossing.expected


def test_the_average_is_of_six_bills_of_two_months_the_running_one_in_place_of_the_oldest() -> None:
    dac = _projected([1000.0, 900.0, 800.0, 700.0, 600.0, 5000.0], 1500.0)
    assert (dac.average, dac.months_known, dac.months_estimated) == (_exactly(9000 / 12), 12, 0)
    assert dac.average_at_end is not None
    assert dac.average_at_end.expected == pytest.approx((1500 + 1000 + 900 + 800 + 700 + 600) / 12)


def test_a_home_enters_strictly_above_the_limit_and_leaves_strictly_below() -> None:
    at_the_limit, next_one = [1700.0] * 6, {"cycles": _cycles(2)[:1]}
    end = next_one["cycles"][0].end
    assert _projected(at_the_limit, 1700.0, **next_one).crossing is None
    assert _projected(at_the_limit, 1701.0, **next_one).crossing == Crossing(end, end, end)
    assert _projected(at_the_limit, 1700.0, is_in=True, **next_one).crossing is None
    assert _on(_projected(at_the_limit, 1699.0, is_in=True, **next_one)) == end


def test_the_crossing_is_found_bill_by_bill_at_the_pace() -> None:
    # 10,200 kWh a year is the limit: five bills of 1,600 stay, and each new one brings 1,850
    assert _on(_projected([1600.0] * 6, 1850.0)) == date(2026, 12, 20)
    assert _projected([1600.0] * 6, 1600.0).crossing is None


def test_every_date_has_an_interval() -> None:
    dac = _projected([1600.0] * 6, Estimate(1850.0, 1750.0, 1950.0))
    assert dac.crossing == Crossing(date(2026, 12, 20), date(2026, 10, 20), date(2027, 2, 20))
    dac = _projected([1600.0] * 6, Estimate(1850.0, 1690.0, 1950.0))
    assert dac.crossing == Crossing(date(2026, 12, 20), date(2026, 10, 20), None)
    dac = _projected([1600.0] * 6, Estimate(1650.0, 1600.0, 1750.0))
    assert dac.crossing is not None
    assert dac.crossing.expected is None  # only perhaps
    assert dac.crossing.earliest == date(2027, 2, 20)


def test_a_home_in_dac_that_leaves_only_if_it_uses_less_than_it_may_has_no_latest_date() -> None:
    dac = _projected([1800.0] * 6, Estimate(1450.0, 1350.0, 1750.0), is_in=True)
    assert dac.crossing == Crossing(date(2026, 10, 20), date(2026, 10, 20), None)


def test_bills_that_differ_make_the_interval_of_later_ones_wide() -> None:
    days = [use.day_count for use in _past([0.0] * 6)]
    steady = _projected([26.0 * count for count in days], 30.0 * 61)
    changing = _projected([(16.0, 36.0)[place % 2] * count for place, count in enumerate(days)], 30.0 * 61)
    assert steady.crossing == Crossing(_on(steady), *[_on(steady)] * 2)
    assert changing.crossing is not None
    assert changing.crossing.latest is None


def test_what_is_estimated_of_closed_bills_is_in_the_average_with_its_interval() -> None:
    past = _past([Estimate(1700.0, 1640.0, 1760.0)] * 6, source=Source.ESTIMATED, known_share=0.93)
    dac = _projected(past, 1705.0)
    assert (dac.months_known, dac.months_estimated) == (11, 12)
    assert dac.average is not None
    assert dac.average == pytest.approx((850, 850 - 60 * 6**0.5 / 12, 850 + 60 * 6**0.5 / 12))
    assert dac.crossing == Crossing(date(2026, 8, 20), date(2026, 8, 20), None)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_without_six_months_nothing_is_said_of_what_is_to_come(count: int) -> None:
    dac = _projected([5000.0] * count, 5000.0)
    assert (dac.months_known, dac.average) == (2 * count, _exactly(2500) if count else None)
    assert (dac.average_at_end, dac.crossing, dac.kwh_per_day_to_stay_below, dac.pace_kwh_per_day) == (None, None, None, None)


def test_months_that_nobody_knows_count_as_those_that_are_known() -> None:
    dac = _projected([1000.0, 2000.0, 1500.0], 1500.0)
    assert (dac.months_known, dac.average) == (6, _exactly(750.0))
    assert dac.average_at_end is not None
    assert dac.average_at_end.expected == pytest.approx(750)
    assert dac.average_at_end.high - dac.average_at_end.expected > 50  # they may be as unlike as the known ones


def test_a_year_of_monthly_and_bimonthly_bills_has_twelve_months() -> None:
    bimonthly = _past([800.0, 700.0])
    past = [*bimonthly, *_past([300.0] * 8, 1, before=bimonthly[-1].start)]
    dac = _projected(past, 900.0)
    assert (dac.months_known, dac.average) == (12, _exactly((800 + 700 + 8 * 300) / 12))
    assert dac.average_at_end is not None
    assert dac.average_at_end.expected == pytest.approx((900 + 800 + 700 + 6 * 300) / 12)


def test_two_months_on_monthly_bills_are_two_months_for_a_bimonthly_contract() -> None:
    assert _projected(_past([300.0] * 2, 1), 900.0).months_known == 2


def test_monthly_bills_are_twelve() -> None:
    dac = _projected([300.0] * 12, 100.0, 1, tariff="1")
    assert dac.average == _exactly(300.0)
    assert dac.average_at_end is not None
    assert dac.average_at_end.expected == pytest.approx(3400 / 12)


def test_there_is_no_dac_in_the_first_year_of_a_supply() -> None:
    free, young = (_projected([2000.0] * 4, 2000.0, not_before=day) for day in (None, date(2026, 11, 1)))
    assert (_on(free), free.is_first_year) == (date(2026, 8, 20), False)
    assert (_on(young), young.is_first_year) == (date(2026, 12, 20), True)
    never = _projected([2000.0] * 4, 2000.0, not_before=date(2028, 1, 1))
    assert (never.crossing, never.kwh_per_day_to_stay_below) == (None, None)


def test_the_rate_keeps_the_home_out_for_a_whole_year() -> None:
    dac = _projected([1600.0] * 6, 1850.0, so_far_kwh=900.0, days_left=30.0)
    rate = dac.kwh_per_day_to_stay_below
    assert rate is not None
    assert dac.pace_kwh_per_day is not None
    assert rate < dac.pace_kwh_per_day
    assert rate == pytest.approx(
        (10_200 - 900) / (30 + 304), rel=0.01
    )  # only in the last of six bills none of the old ones is left


def test_a_rate_that_no_home_uses_is_none_and_one_that_is_too_late_is_zero() -> None:
    assert (
        _projected([100.0] * 6, 150.0, so_far_kwh=100.0, days_left=1.0, tariff="1F", is_in=True).kwh_per_day_to_stay_below is None
    )
    assert _projected([2300.0] * 6, 1850.0, so_far_kwh=900.0, days_left=1.0).kwh_per_day_to_stay_below == 0


def test_a_cycle_without_a_forecast_is_as_those_before_it() -> None:
    past, cycle = _past([300.0, 340.0], 1), _cycles(1)[0]
    assert usual_kwh(past, cycle, 0.0).expected == 320
    assert usual_kwh(past, cycle, 0.0).low < 320 < usual_kwh(past, cycle, 0.0).high
    assert usual_kwh(past, cycle, 900.0) == _exactly(900)


uses = st.floats(0, 9_000)


@given(
    past=st.lists(uses, min_size=6, max_size=12),
    cycle_kwh=uses,
    so_far=st.floats(0, 1),
    days_left=st.floats(1 / 24, 28),
    tariff=st.sampled_from(sorted(DAC_LIMITS_KWH_MONTH)),
    months=st.sampled_from([1, 2]),
    is_in=st.booleans(),
)
def test_the_rate_never_contradicts_the_date(
    past: list[float], cycle_kwh: float, so_far: float, days_left: float, tariff: str, months: int, *, is_in: bool
) -> None:
    now: dict[str, Any] = {"tariff": tariff, "is_in": is_in, "so_far_kwh": so_far * cycle_kwh, "days_left": days_left}
    dac = _projected(past[: 12 // months], cycle_kwh, months, **now)
    rate, pace = dac.kwh_per_day_to_stay_below, dac.pace_kwh_per_day
    assert pace is not None
    if rate is not None and rate > 0:
        assert (_on(dac) is not None) == ((pace < rate) if is_in else (pace > rate)) or pace == pytest.approx(rate)


@given(
    past=st.lists(uses, min_size=6, max_size=6),
    pace=st.floats(0, 150),
    so_far=st.floats(0, 2_000),
    days_left=st.floats(1, 61),
    tariff=st.sampled_from(sorted(DAC_LIMITS_KWH_MONTH)),
)
def test_whoever_keeps_to_the_rate_is_not_in_dac_within_the_year(
    past: list[float], pace: float, so_far: float, days_left: float, tariff: str
) -> None:
    cycles = _cycles(2)
    rate = _projected(
        past, so_far + pace * days_left, so_far_kwh=so_far, days_left=days_left, tariff=tariff
    ).kwh_per_day_to_stay_below
    if rate:
        settled, limit = _past(past), 12 * DAC_LIMITS_KWH_MONTH[tariff]
        for number, cycle in enumerate(cycles):
            kept = sum(use.kwh.expected for use in settled[: 5 - number])
            assert kept + so_far + rate * (days_left + (cycle.end - cycles[0].end).days) <= limit * (1 + 1e-9)
