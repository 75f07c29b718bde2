"""What a home has used in hours that nobody measured, what it will use until its cycle ends, and when that reaches a limit. Pure.

Hours are gathered to days by what is usual at each hour, so that a day with gaps, or one that has just begun, says as much as it can
about whole days; `habits` says what the days seen mean for those that were not seen, gone by or to come.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tariffs.outlook.habits import Array, Days, Whole, expected

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


NOTHING = Estimate(0.0, 0.0, 0.0)


class Forecast(NamedTuple):
    """What is not known by measuring: of hours gone by (`missing`), and until the end of each local date to come, the running one first.

    `until` has the missing energy in it and never falls: errors of both go together, as both rest on the same habits.
    """

    dates: tuple[date, ...]
    until: tuple[Estimate, ...]
    missing: Estimate = NOTHING

    @property
    def total(self) -> Estimate:
        """Missing and coming energy together; only the missing where no hour is left."""
        return self.until[-1] if self.until else self.missing


class Crossing(NamedTuple):
    """The dates on which a limit is reached: expected, and the 80 % interval. None: not before the forecast ends."""

    expected: date | None
    earliest: date
    latest: date | None


def forecast(
    past: Sequence[datetime],
    energy_wh: Sequence[float] | Array,
    rest: Sequence[datetime],
    *,
    known: Sequence[float] | Array | None = None,
    since: int | None = None,
) -> Forecast | TooLittle:
    """Return what the hours of `rest` will use and what is missing of the past hours from place `since` on (of none), from the others.

    `past` and `rest` are starts of hours in the home's zone, in order; `rest` goes on where `past` ends, with the hour that has begun,
    and hours that a change of the clocks skips or repeats are skipped or repeated in them. `energy_wh` has the Wh of each past hour as
    far as it is known, which is the share `known` (0 to 1) of the hour; without that all of it, or nothing where the Wh are NaN. Only
    HISTORY_DAYS before the first hour that is asked about count. Raises ValueError if lengths differ.
    """
    wh = np.asarray(energy_wh, dtype=np.float64)
    shares = np.isfinite(wh).astype(np.float64) if known is None else np.asarray(known, dtype=np.float64)
    if not len(past) == wh.size == shares.size:
        raise ValueError(f"{len(past)} hours can't have {wh.size} energies and {shares.size} shares")
    hours, coming = _Hours.of(past, shares), _Hours.of(rest, np.ones(len(rest)))
    gone = hours._replace(shares=1 - shares).where((shares < 1) & (np.arange(wh.size) >= (wh.size if since is None else since)))
    asked = gone.days.min(initial=hours.days.max(initial=0))
    counted = (shares > 0) & (hours.days > asked - HISTORY_DAYS)
    seen, dates = hours.where(counted), tuple(map(date.fromordinal, np.unique(coming.days).tolist()))
    if seen.shares.sum() < LEAST_DAYS * 24:
        return TooLittle(float(seen.shares.sum()) / 24)
    missing, *until = [NOTHING, *_curve(seen, wh[counted], gone, coming)][-1 - len(dates) :]
    return Forecast(dates, tuple(until), missing)


def _curve(seen: "_Hours", wh: Array, gone: "_Hours", coming: "_Hours") -> list[Estimate]:
    """Return what was used until the end of each day that has hours gone by unseen, and then of each day to come."""
    shape = _shape(seen, wh)
    days, asked = seen.by_day(shape), [hours.by_day(shape) for hours in (gone, coming)]
    used = _summed(np.searchsorted(days.days, seen.days), wh, days.days.size)
    return unseen(days, used, Days(*map(np.concatenate, zip(*asked, strict=True))))


def unseen(seen: Days, wh: Array, asked: Days) -> list[Estimate]:
    """Return what was used until the end of each day asked for, from the Wh of the shares of days that were seen."""
    level_wh = wh.sum() / seen.shares.sum()
    if level_wh <= 0 or not asked.days.size:
        return [NOTHING] * asked.days.size
    return _estimates(*expected(seen, wh / seen.shares / level_wh, asked), level_wh / 1000)


def crossing(forecast: Forecast, kwh: float) -> Crossing | None:
    """Return when the use from now on reaches so many kWh, or None where even the interval's upper end does not."""
    expected, latest, earliest = (
        next((day for day, used in zip(forecast.dates, curve, strict=True) if used >= kwh), None)
        for curve in (zip(*forecast.until, strict=True) if forecast.until else ((), (), ()))
    )
    return None if earliest is None else Crossing(expected, earliest, latest)


class _Hours(NamedTuple):
    """Hours as their day (ordinal), the hour by the clock, and the share of each that is meant."""

    days: Whole
    hours: Whole
    shares: Array

    @classmethod
    def of(cls, starts: Sequence[datetime], shares: Array) -> "_Hours":
        count = len(starts)
        days = np.fromiter((start.toordinal() for start in starts), np.int64, count)
        return cls(days, np.fromiter((start.hour for start in starts), np.int64, count), shares)

    @property
    def weekdays(self) -> Whole:
        return (self.days - 1) % 7  # ordinal 1 was a Monday

    def where(self, chosen: NDArray[np.bool_]) -> "_Hours":
        return _Hours(self.days[chosen], self.hours[chosen], self.shares[chosen])

    def by_day(self, shape: Array) -> Days:
        """Return the days, and which share of each one's use is in these hours."""
        days, index = np.unique(self.days, return_inverse=True)
        return Days(days, _summed(index, shape[self.weekdays, self.hours] * self.shares, days.size))


def _shape(hours: _Hours, wh: Array) -> Array:
    """Return which share of a day's use each hour has, by weekday and hour (7 × 24)."""
    place, size, mean_wh = hours.weekdays * 24 + hours.hours, 7 * 24, wh.sum() / hours.shares.sum()
    used, count = (_summed(place, values, size).reshape(7, 24) for values in (wh, hours.shares))
    usual = (used.sum(0) + EVEN_DAYS * mean_wh) / (count.sum(0) + EVEN_DAYS)
    shape = np.maximum((used + ALL_WEEKDAYS * usual) / (count + ALL_WEEKDAYS), LEAST_SHARE * abs(mean_wh) + 1e-9)
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
