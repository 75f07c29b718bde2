"""The load of one circuit at any moment, and its exact integral, from nothing but a seed."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from devices.simulator.appliances import KINDS, Event
from devices.simulator.weather import Day, climate_of

# Power holds for five seconds. Noise comes in pairs of cells, once up and once down by the same amount, and loads change between
# pairs only: so noise adds up to nothing, and the energy up to any moment is known without walking there.
CELL_S = 5
PAIR_S = 2 * CELL_S
NOISE = 0.03


def chance(*words: object) -> Random:
    """Return a generator that is the same for the same words, in every process and on every machine."""
    return Random("/".join(map(str, words)))  # noqa: S311 – it must be repeatable, and guards no secret


_draws = chance("noise")
_NOISE_TABLE = [_draws.uniform(-1, 1) for _ in range(4096)]


def noise(salt: int, number: int) -> float:
    """Return a figure between −1 and 1 that looks random and is always the same for the same arguments."""
    return _NOISE_TABLE[(number * 40_503 + salt) & 4095]


class Moment(NamedTuple):
    """The load at a moment: W, and the Wh since local midnight; `hour` is the local one."""

    power_w: float
    energy_wh: float
    hour: float


class DayCurve:
    """A local day's load as steps: where each begins, its power, and the energy before it."""

    def __init__(self, events: Iterable[Event], start: float, end: float, salt: int) -> None:
        """Add the events up; their times are seconds since the epoch, as are the day's start and end."""
        self.start, self.end, self.salt = start, end, salt
        changes: dict[float, float] = defaultdict(float, {start: 0.0})
        for begins, ends, power_w in events:
            first = max(start, round(begins / PAIR_S) * PAIR_S)
            last = min(end, round(ends / PAIR_S) * PAIR_S)
            if last > first:
                changes[first] += power_w
                changes[last] -= power_w
        self.starts = sorted(time for time in changes if time < end)
        self.power_w, self.joules = [], [0.0]
        power_w = 0.0
        for time, following in zip(self.starts, [*self.starts[1:], end], strict=True):
            power_w += changes[time]
            self.power_w.append(max(0.0, round(power_w, 3)))
            self.joules.append(self.joules[-1] + self.power_w[-1] * (following - time))
        self.total_wh = self.joules[-1] / 3600

    def at(self, time: float) -> Moment:
        """Return the load at a time of this day."""
        index = bisect_right(self.starts, time) - 1
        mean_w = self.power_w[index]
        pair, inside = divmod(time, PAIR_S)
        swing = NOISE * noise(self.salt, int(pair))
        excess_s = inside if inside < CELL_S else PAIR_S - inside
        joules = self.joules[index] + mean_w * (time - self.starts[index] + swing * excess_s)
        power_w = mean_w * (1 + swing if inside < CELL_S else 1 - swing)
        return Moment(power_w, joules / 3600, (time - self.start) / 3600)


class Curve:
    """The load of a circuit of one of `appliances.KINDS`; the same seed and kind always give the same curve.

    Days are cut in the zone. Times are seconds since the epoch.
    """

    def __init__(self, seed: str, kind: str, zone: ZoneInfo) -> None:
        """Prepare; nothing is computed before it is asked for."""
        self.seed, self.kind, self.zone = seed, kind, zone
        self.salt = chance(seed, "noise").randrange(1 << 30)
        self._days: dict[date, DayCurve] = {}
        self._current: DayCurve | None = None

    def at(self, time: float) -> Moment:
        """Return the load at a time."""
        return self._day_of(time).at(time)

    def energy_wh(self, start: float, end: float) -> float:
        """Return the energy drawn in [start, end), to the accuracy of floats."""
        total, time = 0.0, start
        while time < end:
            day = self._day_of(time)
            upto = min(end, day.end)
            total += (day.total_wh if upto == day.end else day.at(upto).energy_wh) - day.at(time).energy_wh
            time = upto
        return max(0.0, total)  # where nothing is drawn, floats may say a trillionth less

    def _day_of(self, time: float) -> DayCurve:
        day = self._current
        if day is None or not day.start <= time < day.end:
            whole = math.floor(time)  # datetime would round the last moment of a day up to the next
            day = self._current = self._day(datetime.fromtimestamp(whole, self.zone).date())
        return day

    def _day(self, day: date) -> DayCurve:
        found = self._days.get(day)
        if found is None:
            start, end = self._midnight(day), self._midnight(day + timedelta(days=1))
            # What began yesterday may reach into today.
            events = [*self._events(day - timedelta(days=1)), *self._events(day)]
            if len(self._days) > 3:
                self._days.clear()
            found = self._days[day] = DayCurve(events, start, end, self.salt)
        return found

    def _events(self, day: date) -> list[Event]:
        midnight = self._midnight(day)
        # The weather is the same for every circuit.
        facts = Day(day, chance("weather", day).gauss(0, 2), climate_of(self.zone))
        rng = chance(self.seed, self.kind, day)
        appliances = KINDS[self.kind].appliances
        return [(midnight + s, midnight + e, w) for appliance in appliances for s, e, w in appliance(rng, facts)]

    def _midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()


def voltage_v(salt: int, time: float, hour: float, power_w: float) -> float:
    """Return the supply's voltage: about 127 V, lower in the evening when the quarter is at home, and under load."""
    evening = math.exp(-(((hour - 20) / 3) ** 2))
    return 127.6 - 2.4 * evening + 0.5 * noise(salt, int(time / PAIR_S)) - 0.0011 * power_w
