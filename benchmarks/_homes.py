"""Simulated homes for benchmarks of the forecast: hourly Wh of a few hundred days, for several kinds of behaviour.

They are independent of the forecast's model: habits are random, days differ by one of several kinds of noise, and the air conditioner
follows drifting weather. The figures are rough ones for Mexican homes.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.simulator import Curve

Array = NDArray[np.float64]
ZONE = ZoneInfo("America/Mexico_City")  # without daylight saving: every day has 24 hours
DAYS = 240


class Days(NamedTuple):
    """The days of a simulation: their dates, and a random generator."""

    dates: list[date]
    rng: np.random.Generator

    @property
    def weekdays(self) -> NDArray[np.int64]:
        """Return 0 for Monday to 6 for Sunday."""
        return np.array([day.weekday() for day in self.dates])

    def starts(self) -> list[datetime]:
        """Return the local start of each hour."""
        return [datetime(day.year, day.month, day.day, hour, tzinfo=ZONE) for day in self.dates for hour in range(24)]


class Home(NamedTuple):
    """A home: its kind or name, the local start of each hour, what it used (Wh), and what was measured (NaN: offline)."""

    kind: str
    starts: list[datetime]
    used_wh: Array
    seen_wh: Array


def homes(count: int, seed: int) -> Iterator[Home]:
    """Yield this many homes of each kind; the same seed gives the same homes."""
    for kind, build in KINDS.items():
        for number in range(count):
            rng = np.random.default_rng([seed, number, *kind.encode()])
            first = date(2025, 1, 1) + timedelta(days=int(rng.integers(365)))
            days = Days([first + timedelta(days=day) for day in range(DAYS)], rng)
            used = build(days)
            seen = _with_gaps(used, rng) if kind == "gaps" else used
            yield Home(kind, days.starts(), used.ravel(), seen.ravel())


def _weekly(days: Days) -> Array:
    """A strong rhythm: people are away, or at home, on some days of the week, and wash on others."""
    rng = days.rng
    factors = rng.uniform(0.8, 1.2, 7)
    factors[5:] *= rng.choice([rng.uniform(0.35, 0.6), rng.uniform(1.5, 2.3)])
    factors[rng.integers(7)] *= rng.uniform(1.0, 1.6)
    return _home(days, factors[days.weekdays])


def _flat(days: Days) -> Array:
    """All days are alike, except for chance."""
    return _home(days, np.ones(DAYS))


def _drifting(days: Days) -> Array:
    """More or less from month to month, or from one day on: a child, a guest, a new appliance."""
    rng = days.rng
    if rng.random() < 0.5:
        trend = np.exp(np.arange(DAYS) / 100 * rng.choice([-1, 1]) * rng.uniform(0.2, 0.6))
    else:
        steps = np.cumsum((rng.random(DAYS) < 1 / 70) * rng.normal(0, 0.25, DAYS))
        trend = np.exp(steps)
    return _home(days, _some_rhythm(days) * trend)


def _cooled(days: Days) -> Array:
    """An air conditioner that follows the weather: a season, and days that resemble the day before."""
    rng = days.rng
    season = np.array([np.cos(2 * np.pi * (day.timetuple().tm_yday - 190) / 365) for day in days.dates])
    weather_c = rng.uniform(22, 27) + rng.uniform(4, 9) * season + _wandering(rng, rng.uniform(0.6, 0.9), rng.uniform(1.5, 3))
    outside_c = weather_c[:, None] + 6 * np.cos(2 * np.pi * (np.arange(24) - 16) / 24)
    present = np.where(days.weekdays[:, None] >= 5, 1.0, (np.arange(24) >= 17) | (np.arange(24) < 6))
    cooling = rng.uniform(60, 160) * np.clip(outside_c - rng.uniform(24, 27), 0, 12) * present
    used: Array = _home(days, _some_rhythm(days)) + cooling * rng.uniform(0.7, 1.3, (DAYS, 24))
    return used


def _away(days: Days) -> Array:
    """Nobody is at home for days or up to two weeks; the refrigerator keeps running."""
    rng, used = days.rng, _home(days, _some_rhythm(days))
    empty = np.zeros(DAYS, dtype=bool)
    for start in np.flatnonzero(rng.random(DAYS) < 1 / rng.uniform(40, 90)):
        empty[start : start + rng.integers(2, 15)] = True
    used[empty] = rng.uniform(0.15, 0.35) * used.mean() * rng.uniform(0.9, 1.1, (int(empty.sum()), 24))
    return used


def _calm(days: Days) -> Array:
    """A large base load with hardly any randomness."""
    return 400 + 0.1 * _home(days, _some_rhythm(days))


def _appliances(days: Days) -> Array:
    """The simulator's house: appliances that switch on and off, in the hot north."""
    curve = Curve(str(days.rng.integers(1 << 40)), "whole_house", ZONE)
    starts = [start.timestamp() for start in days.starts()]
    return np.array([curve.energy_wh(start, start + 3600) for start in starts]).reshape(-1, 24)


KINDS: dict[str, Callable[[Days], Array]] = {
    "weekly": _weekly,
    "flat": _flat,
    "drifting": _drifting,
    "cooled": _cooled,
    "away": _away,
    "gaps": _weekly,
    "calm": _calm,
    "appliances": _appliances,
}


def _home(days: Days, factors: Array) -> Array:
    """Return hourly Wh: a daily routine times each day's factor and randomness."""
    rng, hour = days.rng, np.arange(24)
    routine = np.full(24, rng.uniform(0.3, 1.0))
    for peak, width in ((7, 1.5), (14, 2.5), (20.5, 2.5)):
        routine += rng.uniform(0, 2) * np.exp(-(((hour - peak - rng.normal(0, 1)) / width) ** 2))
    late = np.roll(routine, int(rng.integers(0, 4)))
    shape = np.where(days.weekdays[:, None] >= 5, late, routine) * rng.gamma(g := rng.uniform(3, 12), 1 / g, (DAYS, 24))
    return rng.uniform(120, 500) * shape * (factors * _chance(days))[:, None]


def _chance(days: Days) -> Array:
    """Return each day's random factor, about 1: independent days, phases that last, or rare large uses."""
    rng, spread = days.rng, days.rng.uniform(0.08, 0.3)
    kinds = (
        lambda: np.exp(rng.normal(0, spread, DAYS)),
        lambda: np.exp(_wandering(rng, rng.uniform(0.3, 0.8), spread)),
        lambda: 1 + (rng.random(DAYS) < rng.uniform(0.05, 0.25)) * rng.uniform(0.5, 2) + rng.normal(0, 0.05, DAYS),
    )
    return kinds[rng.integers(len(kinds))]()


def _wandering(rng: np.random.Generator, memory: float, spread: float) -> Array:
    """Return an autoregressive series with this standard deviation."""
    values = rng.normal(0, spread, DAYS)
    for day in range(1, DAYS):
        values[day] = memory * values[day - 1] + np.sqrt(1 - memory**2) * values[day]
    return values


def _some_rhythm(days: Days) -> Array:
    return np.where(days.weekdays >= 5, days.rng.uniform(0.9, 1.4), 1.0)


def _with_gaps(used: Array, rng: np.random.Generator) -> Array:
    """Return the series with outages of some hours, and occasionally of days, as NaN."""
    seen = used.copy().ravel()
    for hour in np.flatnonzero(rng.random(seen.size) < rng.uniform(0.003, 0.015)):
        seen[hour : hour + 1 + int(rng.exponential(7))] = np.nan
    for hour in rng.integers(0, seen.size, 3):
        seen[hour : hour + int(rng.integers(48, 200))] = np.nan
    return seen
