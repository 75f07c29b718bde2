"""The buckets of some spans side by side, and sums over what lies in them. Pure arithmetic on arrays: no Django, no clock, no I/O.

A bucket's place among all those of the spans is its slot. Moments lie in stretches, each of which belongs to a span, and come sorted by
stretch and time, so those of a stretch and a bucket are neighbours.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SECOND = 1_000_000  # times are whole microseconds
BUCKET = 300 * SECOND


class Moments(NamedTuple):
    """Times in µs with their stretches, the numbers of their buckets since 1970, and their slots."""

    stretch: Ints
    time: Ints
    bucket: Ints
    slot: Ints

    def only(self, kept: Flags) -> "Moments":
        """Return the moments that are kept."""
        return Moments(*(column[kept] for column in self))


class Grid:
    """The buckets of spans [lo, hi), µs, one span after the other. What lies outside has the slot `size` and is left out of sums."""

    def __init__(self, lo: Ints, hi: Ints, span: Ints) -> None:
        """Lay them out; `span` is that of each stretch."""
        first, width = lo // BUCKET, (hi - lo) // BUCKET
        base = np.cumsum(width) - width
        self.size = int(width.sum())
        self._spans = np.repeat(np.arange(len(width)), width)
        self._starts = (np.arange(self.size) + np.repeat(first - base, width)) * BUCKET
        self._first, self._width, self._base = first[span], width[span], base[span]

    def slots(self, stretch: Ints, bucket: Ints) -> Ints:
        """Return the slot of each bucket of a stretch."""
        place = bucket - self._first[stretch]
        return np.where((place >= 0) & (place < self._width[stretch]), place + self._base[stretch], self.size)

    def moments(self, stretch: Ints, time: Ints) -> Moments:
        """Return the times with their places."""
        bucket = time // BUCKET
        return Moments(stretch, time, bucket, self.slots(stretch, bucket))

    def buckets(self, slot: Ints) -> tuple[Ints, Ints]:
        """Return the span and the start, µs, of each slot."""
        return self._spans[slot], self._starts[slot]

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


class Steps:
    """The intervals (start, end] from each moment to the next. `inside` tells which have both ends in one stretch: others count nothing."""

    def __init__(self, grid: Grid, at: Moments) -> None:
        self.seconds: Floats = np.diff(at.time) / SECOND
        self.inside: Flags = at.stretch[1:] == at.stretch[:-1]
        self._grid, self._slot = grid, at.slot[1:]
        self._whole = self.inside & (at.bucket[1:] == at.bucket[:-1])
        self._cut(at)

    def total(self, values: NDArray[np.generic]) -> Floats:
        """Return for each slot the sum of what the intervals bring, each spread evenly over its time."""
        if not values.any():
            return np.zeros(self._grid.size)
        whole = self._grid.sum(self._slot, np.where(self._whole, values, 0))
        return whole + self._grid.sum(self._piece_slot, values[self._of] * self._share)

    def _cut(self, at: Moments) -> None:
        """Cut the intervals that leave their bucket at its edges; a piece has a length above zero."""
        crossing = np.flatnonzero(self.inside & ~self._whole)
        count = (at.time[crossing + 1] - 1) // BUCKET - at.bucket[crossing] + 1
        of = np.repeat(crossing, count)
        bucket = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + at.bucket[of]
        start, end = at.time[of], at.time[of + 1]
        length = np.minimum(end, (bucket + 1) * BUCKET) - np.maximum(start, bucket * BUCKET)
        self._of, self._share = of, length / (end - start)
        self._piece_slot = self._grid.slots(at.stretch[of], bucket)
