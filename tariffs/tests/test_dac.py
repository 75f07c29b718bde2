from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cycles import Cycle
from tariffs.dac import LIMITS_KWH_MONTH, Dac, standing

CYCLE = Cycle(date(2026, 6, 20), date(2026, 8, 20))
ENDS = [date(2026, 10, 20), date(2026, 12, 20), date(2027, 2, 20), date(2027, 4, 20), date(2027, 6, 20)]


def _standing(past: list[float], kwh: float, **more: Any) -> Dac:
    given = {"tariff": "1C", "is_in": False, "so_far_kwh": 0.0, "ends": [CYCLE.end, *ENDS], "months": 2}
    return standing(past_kwh=past, cycle_kwh=kwh, **(given | more))


def test_the_average_is_of_six_bills_of_two_months_the_running_one_in_place_of_the_oldest() -> None:
    dac = _standing([1000.0, 900.0, 800.0, 700.0, 600.0, 5000.0], 1500.0)
    assert dac.average == pytest.approx(9000 / 12)
    assert dac.average_at_end == pytest.approx((1500 + 1000 + 900 + 800 + 700 + 600) / 12)
    assert dac.months_known == 12


def test_a_home_enters_strictly_above_the_limit_and_leaves_strictly_below() -> None:
    at_the_limit = [1700.0] * 6
    assert _standing(at_the_limit, 1700.0).crosses_on is None
    assert _standing(at_the_limit, 1701.0).crosses_on == CYCLE.end
    assert _standing(at_the_limit, 1700.0, is_in=True).crosses_on is None
    assert _standing(at_the_limit, 1699.0, is_in=True).cycles_until == 1


def test_the_crossing_is_found_bill_by_bill_at_the_pace() -> None:
    # 10,200 kWh a year is the limit: five bills of 1,600 stay, and each new one brings 1,850
    dac = _standing([1600.0] * 6, 1850.0)
    assert (dac.cycles_until, dac.crosses_on) == (3, date(2026, 12, 20))
    assert _standing([1600.0] * 6, 1600.0).cycles_until is None


def test_what_the_cycle_may_still_use_leads_exactly_to_the_limit() -> None:
    dac = _standing([1600.0] * 6, 1850.0, so_far_kwh=900.0)
    assert dac.kwh_until_limit == pytest.approx(10_200 - 8_000 - 900)
    assert _standing([1600.0] * 6, 900.0 + dac.kwh_until_limit).cycles_until != 1
    assert _standing([1600.0] * 6, 900.0 + dac.kwh_until_limit + 1).crosses_on == CYCLE.end
    assert _standing([2300.0] * 6, 1850.0, so_far_kwh=900.0).kwh_until_limit < 0


def test_months_that_nobody_knows_count_as_those_that_are_known() -> None:
    dac = _standing([1000.0, 2000.0], 1500.0)
    assert (dac.months_known, dac.average) == (4, 750.0)
    assert dac.average_at_end == pytest.approx(9000 / 12)
    nothing = _standing([], 1500.0)
    assert (nothing.months_known, nothing.average, nothing.average_at_end) == (0, None, 750.0)


def test_monthly_bills_are_twelve() -> None:
    dac = _standing([300.0] * 14, 100.0, months=1, tariff="1")
    assert dac.average == 300.0
    assert dac.average_at_end == pytest.approx(3400 / 12)


@given(
    past=st.lists(st.floats(0, 9_000), max_size=8),
    kwh=st.floats(0, 9_000),
    tariff=st.sampled_from(sorted(LIMITS_KWH_MONTH)),
    months=st.sampled_from([1, 2]),
)
def test_whoever_uses_no_more_than_the_limit_allows_stays_out_at_this_reading(
    past: list[float], kwh: float, tariff: str, months: int
) -> None:
    dac = _standing(past, kwh, tariff=tariff, months=months)
    if past and dac.kwh_until_limit >= 0:
        crosses_now = _standing(past, dac.kwh_until_limit * (1 - 1e-9), tariff=tariff, months=months, ends=[CYCLE.end])
        assert crosses_now.crosses_on is None
