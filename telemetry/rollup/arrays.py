"""What goes into the arithmetic of energy and comes out of it, as columns: arrays side by side. Times are whole µs since 1970."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Rules(NamedTuple):
    """Longest gaps that count as continuous, s, with and without a counter, and the most that a channel can carry, W."""

    power_gap_s: float
    counter_gap_s: float
    max_power_w: float


class Readings(NamedTuple):
    """Readings, sorted by range and time; no time comes twice in a range. NaN is what a reading does not say.

    range_index: the place in ReadingRanges of the range that the reading is of. The counters are Wh.
    """

    range_index: Ints
    time: Ints
    power_w: Floats
    voltage_v: Floats
    current_a: Floats
    energy_wh: Floats
    returned_wh: Floats


class ReadingRanges(NamedTuple):
    """Readings of one series each: the place in StaleRanges of what they are for, and the series' first and last counter (0, 0: none).

    They must reach as far before and behind the stale range as stale_buckets.py says. Nothing counts from one range to another.
    """

    stale_index: Ints
    counter_first: Ints
    counter_last: Ints


class StaleRanges(NamedTuple):
    """Ranges [start, end) of whole buckets to compute."""

    start: Ints
    end: Ints


class Buckets(NamedTuple):
    """Computed buckets, sorted by stale range and start, with their values by column (telemetry/columns.py); NaN is what is unknown."""

    stale_index: Ints
    start: Ints
    values: dict[str, NDArray[Any]]
