from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tariffs.outlook.forecast import Crossing, Estimate, Forecast, TooLittle, crossing, forecast
from tariffs.outlook.habits import Array

MEXICO, BORDER = ZoneInfo("America/Mexico_City"), ZoneInfo("America/Ciudad_Juarez")
MONDAY = datetime(2026, 6, 1, tzinfo=MEXICO)


def _hours(start: datetime, count: int) -> list[datetime]:
    return [(start.astimezone(UTC) + timedelta(hours=hour)).astimezone(start.tzinfo) for hour in range(count)]


def _made(wh: Array | list[float], rest_days: int = 30, start: datetime = MONDAY) -> Forecast:
    """Return the forecast of a home whose hours since `start` used this, over so many days of 24 hours."""
    hours = _hours(start, len(wh) + rest_days * 24)
    made = forecast(hours[: len(wh)], wh, hours[len(wh) :])
    assert isinstance(made, Forecast)
    return made


def _width(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / estimate.expected


def _random_home(rng: np.random.Generator, days: int) -> Array:
    """Return hourly Wh of a home with some weekly rhythm, a level that wanders, and days and hours that differ by chance."""
    weekly = np.resize(rng.uniform(0.7, 1.5, 7), days)
    level = np.exp(np.cumsum(rng.normal(0, 0.02, days)) + rng.normal(0, rng.uniform(0.05, 0.3), days))
    by_hour = rng.uniform(100, 900, 24) * rng.gamma(4, 0.25, (days, 24))
    wh: Array = ((weekly * level)[:, None] * by_hour).ravel()
    return wh


@pytest.mark.parametrize(("wh", "days"), [([], 0), ([500.0] * 71, 71 / 24), ([500.0] * 71 + [np.nan] * 200, 71 / 24)])
def test_fewer_than_three_days_of_data_are_too_little(wh: list[float], days: float) -> None:
    hours = _hours(MONDAY, len(wh) + 24)
    assert forecast(hours[: len(wh)], wh, hours[len(wh) :]) == TooLittle(days)


def test_three_days_of_data_are_enough_even_with_gaps_between_them() -> None:
    wh = [500.0 if hour % 2 else np.nan for hour in range(144)]
    assert _made(wh, 10).total.expected == pytest.approx(120)


def test_data_older_than_eight_weeks_does_not_count() -> None:
    hours = _hours(MONDAY, 100 * 24)
    wh = [500.0] * (30 * 24) + [np.nan] * (60 * 24)
    assert forecast(hours[: len(wh)], wh, hours[len(wh) :]) == TooLittle(0.0)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="3 hours can't have 2 energies"):
        forecast(_hours(MONDAY, 3), [1.0, 2.0], [])


def test_a_constant_home_goes_on_like_that_and_the_interval_narrows_with_what_is_known() -> None:
    few, many = _made([500.0] * 72).total, _made([500.0] * 56 * 24).total
    assert few.expected == pytest.approx(360)
    assert many.expected == pytest.approx(360)
    assert 0.001 < _width(many) < 0.005 < 0.01 < _width(few)


def test_a_home_that_uses_nothing_is_expected_to_use_nothing() -> None:
    made = _made([0.0] * 240, 5)
    assert made.until == (Estimate(0.0, 0.0, 0.0),) * 5
    assert crossing(made, 1) is None


def test_nothing_is_left_at_the_end_of_the_cycle() -> None:
    made = _made([500.0] * 240, 0)
    assert made == Forecast((), ())
    assert made.total == Estimate(0.0, 0.0, 0.0)
    assert crossing(made, 1) is None


def test_the_rest_of_a_day_follows_the_hours_that_are_usual() -> None:
    wh = ([100.0] * 18 + [1000.0] * 6) * 28
    evening = [*wh, *([100.0] * 18)]
    hours = _hours(MONDAY, 29 * 24)
    made = forecast(hours[: len(evening)], evening, hours[len(evening) :])
    assert isinstance(made, Forecast)
    assert made.total.expected == pytest.approx(6, rel=0.05)


def test_a_weekly_rhythm_is_seen_after_two_weeks() -> None:
    week = [5.0, 5, 5, 5, 5, 20, 20]
    made = _made([kwh * 1000 / 24 for kwh in week * 2 for _ in range(24)], 7)
    days = np.diff([0, *(until.expected for until in made.until)])
    assert days == pytest.approx(week, rel=0.25)
    assert made.total.expected == pytest.approx(sum(week), rel=0.02)


def test_a_rest_of_weekends_is_not_taken_for_an_average_week() -> None:
    week = [5.0, 5, 5, 5, 5, 20, 20]
    saturday = [kwh * 1000 / 24 for kwh in (week * 5)[:33] for _ in range(24)]
    assert _made(saturday, 2).total.expected == pytest.approx(40, rel=0.1)


def test_a_recent_change_of_level_counts_for_more_than_what_was_before() -> None:
    made = _made([500.0] * 42 * 24 + [1000.0] * 14 * 24, 10)
    assert made.total.expected > 0.9 * 240


def test_hours_without_data_do_not_drag_the_level_down() -> None:
    wh = np.array([100.0 + 40 * (hour % 24) for hour in range(28 * 24)])
    whole = _made(wh).total
    wh[np.random.default_rng(1).random(wh.size) < 0.3] = np.nan
    wh[200:300] = np.nan
    gaps = _made(wh).total
    assert gaps.expected == pytest.approx(whole.expected, rel=0.03)
    assert _width(gaps) > _width(whole)


def test_a_home_that_uses_more_each_day_is_expected_to_use_no_less_than_lately() -> None:
    kwh = 12 * 1.01 ** np.arange(42)
    assert _made(np.repeat(kwh * 1000 / 24, 24)).total.expected > 0.97 * kwh[-7:].mean() * 30


def test_the_first_hour_of_a_day_says_little_about_its_level() -> None:
    assert _made([500.0] * 28 * 24 + [8000.0], 10).total.expected == pytest.approx(120, rel=0.1)


def test_the_days_of_a_change_of_the_clocks_have_the_hours_that_the_caller_gives() -> None:
    start = datetime(2026, 10, 4, tzinfo=BORDER)  # 25 hours on 1 November
    hours = _hours(start, 28 * 24 + 24 + 25 + 24)
    made = forecast(hours[: 27 * 24], [500.0] * 27 * 24, hours[27 * 24 :])
    assert isinstance(made, Forecast)
    assert made.dates == (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3))
    assert np.diff([until.expected for until in made.until]) == pytest.approx([12.5, 12, 12])


def test_the_interval_is_wider_in_kwh_the_longer_the_horizon() -> None:
    made = _made(_random_home(np.random.default_rng(3), 28), 45)
    widths = [until.high - until.low for until in made.until]
    assert widths == sorted(widths)
    assert widths[-1] > 5 * widths[0]


def test_the_interval_is_as_wide_as_the_home_s_own_past_errors() -> None:
    rng = np.random.default_rng(6)
    steady = np.repeat(12_000 / 24 * rng.normal(1, 0.1, 56), 24)
    away, surprising = steady.copy(), steady.copy()
    away[-25 * 24 : -16 * 24] = 100
    surprising[-28 * 24 :] *= np.repeat((1.0, 1.6, 0.7, 1.5), 7 * 24)
    widths = [_width(_made(wh).total) for wh in (steady, away, surprising)]
    assert widths[0] < 0.12
    assert widths[1] > 2 * widths[0]
    assert widths[2] > 3 * widths[0]


def test_a_home_that_hardly_differs_from_day_to_day_has_a_narrow_interval() -> None:
    wh = np.repeat(500 * np.random.default_rng(7).normal(1, 0.01, 28), 24)
    assert _width(_made(wh).total) < 0.03


def test_more_heat_is_expected_in_spring_and_less_in_autumn_of_a_home_that_follows_it() -> None:
    kwh = 12 * 1.01 ** np.arange(42)
    spring, autumn = (
        _made(np.repeat(day * 1000 / 24, 24), start=datetime(2026, month, 1, tzinfo=MEXICO)).total
        for month, day in ((3, kwh), (8, kwh[::-1]))
    )
    assert spring.expected > kwh[-7:].mean() * 30
    assert autumn.expected < kwh[:7].mean() * 30


def test_hours_gone_by_unseen_follow_from_the_days_on_both_sides() -> None:
    """Of 40 days, 10 are not seen; the level is twice as high after them, so that in between it is about the mean of both."""
    wh, known = np.repeat(np.where(np.arange(40) < 20, 500.0, 1000.0), 24), np.ones(40 * 24)
    known[15 * 24 : 25 * 24] = 0
    hours = _hours(MONDAY, 50 * 24)
    past, rest = hours[: wh.size], hours[wh.size :]
    made, later = (forecast(past, wh * known, rest, known=known, since=day * 24) for day in (10, 30))
    assert isinstance(made, Forecast)
    assert isinstance(later, Forecast)
    assert made.missing.expected == pytest.approx(180, rel=0.1)
    assert made.missing.low < 180 < made.missing.high
    assert made.total.expected - made.missing.expected == pytest.approx(240, rel=0.1)
    assert later.missing == Estimate(0.0, 0.0, 0.0)  # its cycle began after them


def test_errors_of_days_add_up_because_they_last() -> None:
    """Were days independent, the interval of 45 days would be some 7 times that of one, as it is for a home of such days."""
    rng = np.random.default_rng(4)
    chance = np.exp(rng.normal(0, 0.08, 56))
    mood = np.exp(np.cumsum(rng.normal(0, 0.08, 56)))
    ratios = []
    for days in (chance, mood):
        made = _made(np.repeat(days * 400, 24), 45)
        ratios.append((made.until[-1].high - made.until[-1].low) / (made.until[0].high - made.until[0].low))
    assert ratios[0] < 15
    assert ratios[1] > 25


def test_limits_are_crossed_on_a_date_with_an_interval() -> None:
    made = _made([500.0] * 56 * 24, 30)  # 12 kWh a day from 27 July on
    found = crossing(made, 120.5)
    assert found is not None
    assert found.expected == date(2026, 8, 6)
    assert found.earliest <= found.expected
    assert found.latest is not None
    assert found.expected <= found.latest <= date(2026, 8, 8)
    assert crossing(made, 0) == Crossing(made.dates[0], made.dates[0], made.dates[0])
    assert crossing(made, 1000) is None


def test_a_limit_that_is_only_perhaps_crossed_has_no_latest_date() -> None:
    dates = tuple(date(2026, 8, day) for day in (1, 2, 3))
    made = Forecast(dates, (Estimate(5, 4, 6), Estimate(10, 8, 12), Estimate(15, 12, 18)))
    assert crossing(made, 10) == Crossing(dates[1], dates[1], dates[2])
    assert crossing(made, 14) == Crossing(dates[2], dates[2], None)
    assert crossing(made, 17) == Crossing(None, dates[2], None)


hours_wh = st.lists(st.floats(1, 5000) | st.just(0.0) | st.just(float("nan")), min_size=150, max_size=400)


@given(hours_wh, st.integers(1, 40), st.integers(0, 23))
@settings(max_examples=60, deadline=None)
def test_curves_never_fall_nor_are_negative_and_hold_what_is_expected(wh: list[float], days: int, hour: int) -> None:
    hours = _hours(MONDAY, len(wh) + days * 24 + hour)
    made = forecast(hours[: len(wh)], wh, hours[len(wh) :])
    if isinstance(made, TooLittle):
        assert np.isfinite(wh).sum() < 72
        return
    assert len(made.dates) == len(set(made.dates)) == len({start.date() for start in hours[len(wh) :]})
    assert all(0 <= low <= expected <= high < np.inf for expected, low, high in made.until)
    assert all(list(curve) == sorted(curve) for curve in zip(*made.until, strict=True))


@given(st.integers(0, 1000), st.integers(4, 60), st.floats(0.01, 100))
@settings(max_examples=30, deadline=None)
def test_a_home_that_uses_several_times_as_much_has_a_forecast_as_many_times_as_large(seed: int, days: int, times: float) -> None:
    wh = _random_home(np.random.default_rng(seed), days)
    one, other = _made(wh, 20), _made(wh * times, 20)
    assert np.array(other.until) == pytest.approx(np.array(one.until) * times, rel=1e-6, abs=1e-9)


def test_four_in_five_intervals_hold_and_the_error_is_below_that_of_the_mean() -> None:
    """A broad band, to see a regression; `benchmarks/forecast.py` measures it on many more homes and kinds."""
    rng = np.random.default_rng(5)
    held, errors, mean_errors = [], [], []
    for number in range(150):
        wh, now = _random_home(rng, 100), int(rng.integers(21 * 24, 56 * 24))
        days = (3, 14, 40)[number % 3]
        used = wh[now : now + days * 24].sum() / 1000
        total = _made(wh[:now], days).total
        held.append(total.low <= used <= total.high)
        errors.append(abs(total.expected - used) / used)
        mean_errors.append(abs(wh[:now].mean() * days * 24 / 1000 - used) / used)
    assert 0.65 <= np.mean(held) <= 0.92
    assert np.mean(errors) < 0.92 * np.mean(mean_errors)
