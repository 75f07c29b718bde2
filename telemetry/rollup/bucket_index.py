"""The buckets of some stale ranges side by side, and sums over what lies in them. Pure arithmetic on arrays: no Django, no clock, no I/O.

A bucket's place among all those of the ranges is its slot. Moments come sorted by range of readings and time, so those of a range and a
bucket are neighbours.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telemetry.rollup.arrays import Bools, Floats, Ints, ReadingRanges, StaleRanges

SECOND = 1_000_000  # times are whole microseconds
BUCKET = 300 * SECOND


class Moments(NamedTuple):
    """Times with their ranges of readings, the numbers of their buckets since 1970, and their slots."""

    range_index: Ints
    time: Ints
    bucket: Ints
    slot: Ints

    def only(self, chosen: Bools) -> "Moments":
        return Moments(*(column[chosen] for column in self))


class BucketIndex:
    """The buckets of stale ranges, one range after the other. What lies outside has the slot `size` and is left out of sums."""

    def __init__(self, stale: StaleRanges, ranges: ReadingRanges) -> None:
        first, width = stale.start // BUCKET, (stale.end - stale.start) // BUCKET
        base = np.cumsum(width) - width
        self.size = int(width.sum())
        self._stale_index = np.repeat(np.arange(len(width)), width)
        self._starts = (np.arange(self.size) + np.repeat(first - base, width)) * BUCKET
        self._first, self._width, self._base = (column[ranges.stale_index] for column in (first, width, base))

    def slots(self, range_index: Ints, bucket: Ints) -> Ints:
        """Return the slot of each bucket, given by its number, of a range of readings."""
        place = bucket - self._first[range_index]
        return np.where((place >= 0) & (place < self._width[range_index]), place + self._base[range_index], self.size)

    def moments(self, range_index: Ints, time: Ints) -> Moments:
        bucket = time // BUCKET
        return Moments(range_index, time, bucket, self.slots(range_index, bucket))

    def buckets(self, slot: Ints) -> tuple[Ints, Ints]:
        """Return the stale range's place and the start of each slot."""
        return self._stale_index[slot], self._starts[slot]

    def count(self, slot: Ints) -> Ints:
        """Return how often each slot occurs."""
        return np.bincount(slot, minlength=self.size + 1)[:-1]

    def sum(self, slot: Ints, values: ArrayLike) -> Floats:
        """Return the sum of the values of each slot."""
        return np.bincount(slot, values, self.size + 1)[:-1].astype(np.float64, copy=False)

    def extremes(self, slot: Ints, values: Floats) -> tuple[Floats, Floats]:
        """Return the least and greatest value of each slot, NaN where there is none; the slots are those of sorted moments."""
        runs = np.flatnonzero(np.diff(slot, prepend=-1))
        low, high = np.full((2, self.size + 1), np.nan)
        np.fmin.at(low, slot[runs], np.minimum.reduceat(values, runs))
        np.fmax.at(high, slot[runs], np.maximum.reduceat(values, runs))
        return low[:-1], high[:-1]


class Intervals:
    """The intervals (start, end] from each moment to the next. Those that are not `inside` one range of readings count nothing."""

    def __init__(self, index: BucketIndex, at: Moments) -> None:
        self.seconds: Floats = np.diff(at.time) / SECOND
        self.inside: Bools = at.range_index[1:] == at.range_index[:-1]
        self._index, self._slot = index, at.slot[1:]
        self._whole = self.inside & (at.bucket[1:] == at.bucket[:-1])
        self._cut(at)

    def total(self, values: NDArray[Any]) -> Floats:
        """Return for each slot the sum of what the intervals bring, each spread evenly over its time."""
        if not values.any():
            return np.zeros(self._index.size)
        whole = self._index.sum(self._slot, np.where(self._whole, values, 0))
        return whole + self._index.sum(self._piece_slot, values[self._of] * self._share)

    def _cut(self, at: Moments) -> None:
        """Cut the intervals that leave their bucket at its edges; a piece has a length above zero."""
        crossing = np.flatnonzero(self.inside & ~self._whole)
        count = (at.time[crossing + 1] - 1) // BUCKET - at.bucket[crossing] + 1
        of = np.repeat(crossing, count)
        bucket = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + at.bucket[of]
        start, end = at.time[of], at.time[of + 1]
        length = np.minimum(end, (bucket + 1) * BUCKET) - np.maximum(start, bucket * BUCKET)
        self._of, self._share = of, length / (end - start)
        self._piece_slot = self._index.slots(at.range_index[of], bucket)
