"""What goes into the arithmetic of energy and comes out of it, as columns."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from telemetry.rollup.bucket_index import Floats, Ints


class Rules(NamedTuple):
    """Longest gaps that count as continuous, s, with and without a counter, and the most that a channel can carry, W."""

    power_gap_s: float
    counter_gap_s: float
    max_power_w: float


class Readings(NamedTuple):
    """Readings as columns, sorted by stretch and time; no time comes twice in a stretch. NaN is what a reading does not say.

    stretch: which of the stretches the reading is of. time: µs. The counters are Wh.
    """

    stretch: Ints
    time: Ints
    power_w: Floats
    voltage_v: Floats
    current_a: Floats
    energy_wh: Floats
    returned_wh: Floats


class Spans(NamedTuple):
    """Ranges [lo, hi) of whole buckets to compute, µs."""

    lo: Ints
    hi: Ints


class Stretches(NamedTuple):
    """Readings of one series: which span they are for, and the first and last counter of the series, µs (0, 0: it has none).

    They must reach as far before and behind the span as spans.py says. Nothing counts from one stretch to another.
    """

    span: Ints
    counter_first: Ints
    counter_last: Ints


class Buckets(NamedTuple):
    """Computed buckets as columns, sorted by span and start (µs), with their values by name (columns.py); NaN is what nobody measured."""

    span: Ints
    start: Ints
    values: dict[str, NDArray[Any]]
