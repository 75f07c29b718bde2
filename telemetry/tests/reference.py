"""The energy rules as a slow plain loop, to hold the SQL against."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from telemetry.samples import Sample

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

    def values(self) -> tuple[float, float, float, float, int, int]:
        return self.measured_wh, self.recovered_wh, self.returned_wh, self.covered_s, self.samples, self.flags


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
    return after if after < 0.9 * before else after - before


def too_much(moved: float, seconds: float) -> bool:
    return abs(moved) > MAX_POWER_W / 3600 * (seconds + 60)


def without_misreadings(samples: Sequence[Sample]) -> list[Sample]:
    """Drop a counter that falls, or rises absurdly, and is back within a minute."""
    kept: list[Sample] = []
    for index, sample in enumerate(samples):
        if 0 < index < len(samples) - 1:
            before, after = samples[index - 1], samples[index + 1]
            back = after.energy_wh >= 0.9 * before.energy_wh and (after.time - sample.time).total_seconds() <= 60
            fell = sample.energy_wh < 0.9 * before.energy_wh
            rose = too_much(sample.energy_wh - before.energy_wh, (sample.time - before.time).total_seconds())
            fits = not too_much(after.energy_wh - before.energy_wh, (after.time - before.time).total_seconds())
            if back and (fell or (rose and sample.energy_wh > before.energy_wh and after.energy_wh < sample.energy_wh and fits)):
                continue
        kept.append(sample)
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
                    result[bucket].measured_wh += (max(before.power_w, 0) + max(after.power_w, 0)) / 7200 * seconds
                    result[bucket].returned_wh += (max(-before.power_w, 0) + max(-after.power_w, 0)) / 7200 * seconds
    honest = without_misreadings(counted)
    for before, after in itertools.pairwise(honest):
        by_counter(result, before, after)
    return result


def by_counter(result: dict[datetime, Expected], before: Sample, after: Sample) -> None:
    length = (after.time - before.time).total_seconds()
    drawn = movement(before.energy_wh, after.energy_wh)
    given = movement(before.returned_wh or 0, after.returned_wh or 0)
    absurd = too_much(drawn, length) or too_much(given, length)
    if after.energy_wh < 0.9 * before.energy_wh and not absurd:
        result[edge(after.time)].flags |= 4
    for bucket, seconds in pieces(before.time, after.time):
        share = seconds / length
        if length > COUNTER_GAP_S and not absurd:
            result[bucket].flags |= 1
        if absurd:
            result[bucket].flags |= 2
        elif length > COUNTER_GAP_S:
            result[bucket].recovered_wh += drawn * share
        else:
            result[bucket].measured_wh += drawn * share
        result[bucket].returned_wh += 0 if absurd else given * share
