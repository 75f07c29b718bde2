"""What a home will use from now to the end of its cycle, with an interval, and when that reaches a limit. Pure; energy in, no clock.

Hours are gathered to days by what is usual at each hour, so that a day with gaps, or one that has just begun, says as much as it can
about whole days; `habits` says what the days seen mean for those to come.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tariffs.habits import Array, Days, Whole, conditioned

LEAST_DAYS = 3
HISTORY_DAYS = 56
# The shape of a day: so many days' worth of all weekdays beside each weekday, and of an even day beside all of them.
ALL_WEEKDAYS, EVEN_DAYS = 3.0, 1.0
LEAST_SHARE = 0.01  # an hour in which nothing is ever used counts as so much of a mean hour, so that no day divides by nothing


class TooLittle(NamedTuple):
    """There is no forecast yet: so many days' worth of hours have data, and LEAST_DAYS are needed."""

    days: float


class Estimate(NamedTuple):
    """kWh: what is expected, and the 80 % interval; 0 ≤ low ≤ expected ≤ high."""

    expected: float
    low: float
    high: float


class Forecast(NamedTuple):
    """Local dates to come, the running one first, and what will have been used from now until the end of each (never falling)."""

    dates: tuple[date, ...]
    until: tuple[Estimate, ...]

    @property
    def total(self) -> Estimate:
        """Return the whole rest; nothing where no hour is left."""
        return self.until[-1] if self.until else Estimate(0.0, 0.0, 0.0)


class Crossing(NamedTuple):
    """The dates on which a limit is reached: expected, and the 80 % interval. None: not before the forecast ends."""

    expected: date | None
    earliest: date
    latest: date | None


def forecast(past: Sequence[datetime], energy_wh: Sequence[float] | Array, rest: Sequence[datetime]) -> Forecast | TooLittle:
    """Return what the hours of `rest` will use, from what those of `past` did.

    Both are starts of hours in the home's zone, in order; `rest` goes on where `past` ends, with the hour that has begun, and hours
    that a change of the clocks skips or repeats are skipped or repeated in them. `energy_wh` has the Wh of each past hour, NaN where
    they are not known. Only the last HISTORY_DAYS count. Raises ValueError if lengths differ.
    """
    if len(past) != len(energy_wh):
        raise ValueError(f"{len(past)} hours can't have {len(energy_wh)} energies")
    hours, wh, coming = _Hours.of(past), np.asarray(energy_wh, dtype=np.float64), _Hours.of(rest)
    known = np.isfinite(wh) & (hours.days > hours.days.max(initial=0) - HISTORY_DAYS)
    hours, wh = hours.where(known), wh[known]
    if wh.size < LEAST_DAYS * 24:
        return TooLittle(wh.size / 24)
    shares = _shares(hours, wh)
    seen, left = hours.by_day(shares), coming.by_day(shares)
    level_wh = wh.sum() / seen.shares.sum()
    dates = tuple(date.fromordinal(day) for day in left.days.tolist())
    if level_wh <= 0 or not dates:
        return Forecast(dates, (Estimate(0.0, 0.0, 0.0),) * len(dates))
    used = _summed(np.searchsorted(seen.days, hours.days), wh, seen.days.size) / seen.shares / level_wh
    return Forecast(dates, tuple(_estimates(*conditioned(seen, used, left), level_wh / 1000)))


def crossing(forecast: Forecast, kwh: float) -> Crossing | None:
    """Return when the use from now on reaches so many kWh, or None where even the interval's upper end does not."""
    expected, latest, earliest = (
        next((day for day, used in zip(forecast.dates, curve, strict=True) if used >= kwh), None)
        for curve in (zip(*forecast.until, strict=True) if forecast.until else ((), (), ()))
    )
    return None if earliest is None else Crossing(expected, earliest, latest)


class _Hours(NamedTuple):
    """Hours as their day (ordinal) and the hour by the clock."""

    days: Whole
    hours: Whole

    @classmethod
    def of(cls, starts: Sequence[datetime]) -> "_Hours":
        count = len(starts)
        days = np.fromiter((start.toordinal() for start in starts), np.int64, count)
        return cls(days, np.fromiter((start.hour for start in starts), np.int64, count))

    @property
    def weekdays(self) -> Whole:
        return (self.days - 1) % 7  # ordinal 1 was a Monday

    def where(self, chosen: NDArray[np.bool_]) -> "_Hours":
        return _Hours(self.days[chosen], self.hours[chosen])

    def by_day(self, shares: Array) -> Days:
        days, index = np.unique(self.days, return_inverse=True)
        return Days(days, _summed(index, shares[self.weekdays, self.hours], days.size))


def _shares(hours: _Hours, wh: Array) -> Array:
    """Return which share of a day's use each hour has, by weekday and hour (7 × 24)."""
    place, size = hours.weekdays * 24 + hours.hours, 7 * 24
    used, count = (_summed(place, values, size).reshape(7, 24) for values in (wh, np.ones(wh.size)))
    usual = (used.sum(0) + EVEN_DAYS * wh.mean()) / (count.sum(0) + EVEN_DAYS)
    shape = np.maximum((used + ALL_WEEKDAYS * usual) / (count + ALL_WEEKDAYS), LEAST_SHARE * abs(wh.mean()) + 1e-9)
    shares: Array = shape / shape.sum(1, keepdims=True)
    return shares


def _summed(place: Whole, values: Array, size: int) -> Array:
    """Return the sum of the values at each place, 0 where there is none."""
    return np.bincount(place, values, size).astype(np.float64)


def _estimates(mean: Array, spread: Array, unit_kwh: float) -> list[Estimate]:
    """Return the curves in kWh. Use never falls below nothing, so none of them falls."""
    expected, low, high = (
        np.maximum.accumulate(np.maximum(curve, 0)) * unit_kwh for curve in (mean, mean - spread, mean + spread)
    )
    return [Estimate(*each) for each in zip(expected.tolist(), low.tolist(), high.tolist(), strict=True)]
