"""The energy rules as a slow plain loop, to hold the SQL against."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import NamedTuple

from telemetry.columns import Flag
from telemetry.shelly.samples import Sample

WIDTH = timedelta(minutes=5)
POWER_GAP_S, COUNTER_GAP_S, MAX_POWER_W = 60, 90, 30_000


@dataclass
class Expected:
    measured_wh: float = 0.0
    recovered_wh: float = 0.0
    returned_wh: float = 0.0
    covered_s: float = 0.0
    samples: int = 0
    flags: int = 0
    by_counter_wh: float = 0.0
    returned_by_counter_wh: float = 0.0

    def bound(self) -> None:
        """Let none of what counters say be negative by more than rounding."""
        if min(self.by_counter_wh, self.recovered_wh, self.returned_by_counter_wh) < -5:
            self.flags |= Flag.REJECTED
        self.measured_wh += max(self.by_counter_wh, -5)
        self.recovered_wh = max(self.recovered_wh, -5)
        self.returned_wh += max(self.returned_by_counter_wh, -5)

    def values(self) -> tuple[float, float, float, float, int, int]:
        return self.measured_wh, self.recovered_wh, self.returned_wh, self.covered_s, self.samples, int(self.flags)


class Counter(NamedTuple):
    time: datetime
    wh: float


def edge(time: datetime) -> datetime:
    return time - timedelta(seconds=time.timestamp() % WIDTH.total_seconds())


def pieces(start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    """Cut an interval at bucket edges: pairs of bucket and seconds in it."""
    parts = []
    while start < end:
        stop = min(edge(start) + WIDTH, end)
        parts.append((edge(start), (stop - start).total_seconds()))
        start = stop
    return parts


def movement(before: float, after: float) -> float:
    if after < 0.9 * before:
        return after
    return after - before if after >= before - 5 else 0.0


def too_much(moved: float, seconds: float) -> bool:
    return abs(moved) > MAX_POWER_W / 3600 * (seconds + 60)


def is_out_of_line(before: list[Counter], run: list[Counter], after: list[Counter]) -> bool:
    """Tell whether the runs before and after agree that the one between them is wrong, and it lasts less than 90 s."""
    old, value, new = before[0].wh, run[0].wh, after[0].wh
    if (after[0].time - run[0].time).total_seconds() > 90:
        return False
    if too_much(new - old, (after[0].time - before[-1].time).total_seconds()):
        return False
    if value < 0.9 * old:
        return new >= 0.9 * old
    if new < old - 5:
        return False
    if value > old and value > new + 5:
        began_again = new < 0.9 * value and not too_much(new, (after[0].time - run[-1].time).total_seconds())
        return not began_again or too_much(value - old, (run[0].time - before[-1].time).total_seconds())
    return value < old - 5


def without_misreadings(counters: Sequence[Counter]) -> list[Counter]:
    """Drop each run of one value that is out of line, but of two side by side the deep dip, or else the higher one."""
    runs = [list(group) for _wh, group in itertools.groupby(counters, key=attrgetter("wh"))]
    suspects = {place for place in range(1, len(runs) - 1) if is_out_of_line(*runs[place - 1 : place + 2])}
    kept: list[Counter] = []
    for place, run in enumerate(runs):
        rivals = [runs[other][0].wh for other in (place - 1, place + 1) if other in suspects]
        loses = []
        for rival in rivals:
            low, high = min(rival, run[0].wh), max(rival, run[0].wh)
            loses.append(run[0].wh == (low if low < 0.9 * high else high))
        if place not in suspects or not all(loses):
            kept += run
    return kept


def buckets(readings: Sequence[Sample]) -> dict[datetime, Expected]:
    result: dict[datetime, Expected] = defaultdict(Expected)
    every = sorted({sample.time: sample for sample in reversed(readings)}.values(), key=itemgetter(1))
    counted = [sample for sample in every if sample.energy_wh is not None]
    for sample in every:
        result[edge(sample.time)].samples += 1
    for before, after in itertools.pairwise(every):
        inside = bool(counted) and before.time >= counted[0].time and after.time <= counted[-1].time
        if (after.time - before.time).total_seconds() <= (COUNTER_GAP_S if inside else POWER_GAP_S):
            for bucket, seconds in pieces(before.time, after.time):
                result[bucket].covered_s += seconds
                if not inside:
                    result[bucket].measured_wh += (max(before.power_w or 0, 0) + max(after.power_w or 0, 0)) / 7200 * seconds
                    result[bucket].returned_wh += (
                        (max(-(before.power_w or 0), 0) + max(-(after.power_w or 0), 0)) / 7200 * seconds
                    )
    both = [Counter(one.time, round(one.energy_wh + one.returned_wh, 3) if one.returned_wh else one.energy_wh) for one in counted]
    for counters, sign in ((both, 1), ([Counter(one.time, one.returned_wh or 0) for one in counted], -1)):
        for old, new in itertools.pairwise(without_misreadings(counters)):
            by_counter(result, old, new, sign)
    for expected in result.values():
        expected.bound()
    return result


def by_counter(result: dict[datetime, Expected], before: Counter, after: Counter, sign: int) -> None:
    """Add the movement of the counter of both directions; of the one of returned energy, take it from what was drawn."""
    length = (after.time - before.time).total_seconds()
    moved = movement(before.wh, after.wh)
    fell = before.wh - after.wh > 5 and after.wh >= 0.9 * before.wh
    wrong = too_much(moved, length) or fell
    if after.wh < 0.9 * before.wh and not wrong:
        result[edge(after.time)].flags |= Flag.RESTARTED
    for bucket, seconds in pieces(before.time, after.time):
        share = seconds / length
        if wrong:
            result[bucket].flags |= Flag.REJECTED
            continue
        if length > COUNTER_GAP_S:
            result[bucket].flags |= Flag.RECOVERED if sign > 0 else 0
            result[bucket].recovered_wh += sign * moved * share
        else:
            result[bucket].by_counter_wh += sign * moved * share
        result[bucket].returned_by_counter_wh += moved * share if sign < 0 else 0
