from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.bill import ZERO, Certainty, Doubt, Terms
from tariffs.cfe.billing import Biller
from tariffs.cfe.tariffs import Tier
from tariffs.outlook.cycle_outlook import Ahead, Cost, SoFar, ahead_of, next_tier_of, now_of, per_day
from tariffs.outlook.forecast import Crossing, Estimate, Forecast, TooLittle
from tariffs.tests.helpers import book_of

START = date(2026, 11, 1)
BILLER = Biller.of_period(START, date(2026, 12, 1), terms=Terms(), prices=book_of("1"))  # tiers end at 75 and 140 kWh


def _so_far(base_kwh: float, running_kwh: float = 0.0, known: float = 240.0, estimate: Estimate | None = None) -> SoFar:
    return SoFar(base_kwh, running_kwh, 240, known, estimate)


def _rest(days: int, kwh_a_day: float, spread: float = 0.2) -> Forecast:
    dates = tuple(date(2026, 11, 11) + timedelta(days=day) for day in range(days))
    uses = [kwh_a_day * (day + 1) for day in range(days)]
    return Forecast(dates, tuple(Estimate(use, use * (1 - spread), use * (1 + spread)) for use in uses))


def test_so_far_costs_what_was_used_and_the_bill_at_least_the_minimum() -> None:
    now = now_of(BILLER, _so_far(10.7))
    assert (
        now.cost_mxn.expected == BILLER.bill(11, is_whole=False).grand_total < now.bill.grand_total == BILLER.bill(25).grand_total
    )
    assert (now.position.tier, now.position.kwh_left) == (Tier.BASIC, 64)
    assert now.next_kwh_mxn == 0
    assert now_of(BILLER, _so_far(0.0)).cost_mxn == Cost(ZERO, ZERO, ZERO)


def test_the_cycle_ends_with_what_there_is_and_what_the_forecast_adds() -> None:
    ahead = ahead_of(BILLER, _so_far(50.0, 0.6), _rest(20, 4.0))
    assert isinstance(ahead, Ahead)
    assert ahead.kwh == pytest.approx((130.0, 114.0, 146.0))
    assert ahead.cost_mxn == tuple(BILLER.bill(kwh).grand_total for kwh in (130, 114, 146))
    assert ahead.bill == BILLER.bill(130)


def test_a_forecast_never_ends_below_what_has_been_used() -> None:
    ahead = ahead_of(BILLER, _so_far(50.0, 2.0), _rest(1, 1.0))
    assert ahead is not None
    assert ahead.kwh == (52.0, 52.0, 52.0)


def test_the_next_tier_begins_on_a_date_with_an_interval() -> None:
    tier = next_tier_of(now_of(BILLER, _so_far(50.0, 0.5)), _rest(20, 4.0), 20.0)
    assert tier is not None
    # from 75.5 kWh on 76 are billed: 25.5 more than the 50 of the whole hours, at 4 a day, 4.8 or 3.2
    assert tier.crossing == Crossing(date(2026, 11, 17), date(2026, 11, 16), date(2026, 11, 18))
    assert (tier.tier, tier.begins_after_kwh) == (Tier.MIDDLE, 75)
    assert tier.kwh_per_day_to_avoid == pytest.approx(24.5 / 20)


def test_a_tier_that_is_not_reached_has_no_date_and_the_last_tier_none_after_it() -> None:
    tier = next_tier_of(now_of(BILLER, _so_far(10.0)), _rest(20, 1.0), 20.0)
    assert tier is not None
    assert tier.crossing is None
    assert next_tier_of(now_of(BILLER, _so_far(200.0)), _rest(20, 1.0), 20.0) is None


def test_without_a_forecast_nothing_is_guessed() -> None:
    assert ahead_of(BILLER, _so_far(10.0), TooLittle(1.5)) is None
    tier = next_tier_of(now_of(BILLER, _so_far(10.0)), TooLittle(1.5), 20.0)
    assert tier is not None
    assert tier.crossing is None
    assert tier.kwh_per_day_to_avoid == pytest.approx(65 / 20)


def test_kwh_a_day_of_what_is_left() -> None:
    assert (per_day(30.0, 15.0), per_day(-3.0, 15.0), per_day(30.0, 0.0)) == (2.0, 0.0, None)


def test_hours_that_nobody_measured_are_in_the_kwh_and_the_bill_says_so() -> None:
    now = now_of(BILLER, _so_far(60.0, 1.0, known=120.0, estimate=Estimate(59.4, 50.0, 70.0)))
    assert (now.kwh, now.so_far.measured_kwh) == (120.4, 61.0)
    assert now.position.tier == Tier.MIDDLE
    assert now.bill == BILLER.bill(120).doubted(Doubt.ESTIMATED_HOURS)
    assert now.bill.certainty == Certainty.ESTIMATE
    assert now.cost_mxn == tuple(BILLER.bill(kwh, is_whole=False).grand_total for kwh in (120, 111, 131))


def test_what_is_missing_without_habits_leaves_a_lower_bound() -> None:
    now = now_of(BILLER, _so_far(60.0, known=120.0))
    assert (now.kwh, now.so_far.missing) == (60.0, None)
    assert (now.bill.doubts[0], now.bill.certainty) == (Doubt.UNKNOWN_HOURS, Certainty.ESTIMATE)


def test_a_few_minutes_that_are_missing_change_nothing() -> None:
    now = now_of(BILLER, _so_far(60.0, known=239.0, estimate=Estimate(0.3, 0.2, 0.4)))
    assert (now.kwh, now.bill) == (60.0, BILLER.bill(60))


@given(kwh=st.floats(0, 500), base=st.floats(0, 500), rest=st.floats(0, 30))
def test_the_interval_holds_what_is_expected(kwh: float, base: float, rest: float) -> None:
    ahead = ahead_of(BILLER, _so_far(base, kwh), _rest(20, rest))
    assert ahead is not None
    assert ahead.kwh.low <= ahead.kwh.expected <= ahead.kwh.high
    assert Decimal(0) < ahead.cost_mxn.low <= ahead.cost_mxn.expected <= ahead.cost_mxn.high
