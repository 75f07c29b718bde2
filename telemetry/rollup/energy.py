"""What a channel used, computed from its readings. Pure arithmetic on arrays: no Django, no clock, no I/O.

Energy comes from the counter where there is one (counters.py). Where no counter is, power is integrated by trapezoid over short gaps. Each
interval between two readings is cut at bucket edges in proportion to time, so the sum over buckets is the counter's movement, whatever the
readings' order of arrival.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.rollup.arrays import Buckets, Floats, ReadingRanges, Readings, Rules, StaleRanges
from telemetry.rollup.bucket_index import BUCKET, SECOND, BucketIndex, Intervals, Moments
from telemetry.rollup.counters import by_counter


class _ByPower(NamedTuple):
    """What the power between readings that are near enough brings to each bucket: energy only where no counter says it."""

    covered_s: Floats
    power_ws: Floats
    drawn_wh: Floats
    returned_wh: Floats


def buckets(readings: Readings, ranges: ReadingRanges, stale: StaleRanges, rules: Rules) -> Buckets:
    """Return the buckets of the stale ranges: those with a reading, and those that an interval with known energy or power touches."""
    index = BucketIndex(stale, ranges)
    at = index.moments(readings.range_index, readings.time)
    intervals = Intervals(index, at)
    power, counter = _by_power(readings, ranges, rules, intervals), by_counter(readings, rules, index, at, intervals)
    samples = index.count(at.slot)
    low, high = index.extremes(at.slot, readings.power_w)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(power.covered_s > 0, power.power_ws / power.covered_s, index.sum(at.slot, readings.power_w) / samples)
    values: dict[str, NDArray[Any]] = {
        "measured_wh": power.drawn_wh + counter.measured_wh,
        "recovered_wh": counter.recovered_wh,
        "returned_wh": power.returned_wh + counter.returned_wh,
        "covered_s": np.minimum(power.covered_s, BUCKET / SECOND),  # what several kinds of components say may overlap
        "samples": samples,
        "power_min_w": low,
        "power_mean_w": mean,
        "power_max_w": high,
        "voltage_v": _mean(index, at, readings.voltage_v),
        "current_a": _mean(index, at, readings.current_a),
        "flags": counter.flags,
    }
    known = np.flatnonzero((samples > 0) | (power.covered_s > 0) | (counter.flags > 0))
    return Buckets(*index.buckets(known), {name: column[known] for name, column in values.items()})


def _by_power(readings: Readings, ranges: ReadingRanges, rules: Rules, intervals: Intervals) -> _ByPower:
    of = readings.range_index[1:]
    has_counter = (readings.time[:-1] >= ranges.counter_first[of]) & (readings.time[1:] <= ranges.counter_last[of])
    near = intervals.inside & (intervals.seconds <= np.where(has_counter, rules.counter_gap_s, rules.power_gap_s))
    covered_s = np.where(near, intervals.seconds, 0)
    hours = np.where(has_counter, 0, covered_s / 3600)
    before, after = readings.power_w[:-1], readings.power_w[1:]
    return _ByPower(
        covered_s=intervals.total(covered_s),
        power_ws=intervals.total((before + after) / 2 * covered_s),
        drawn_wh=intervals.total((np.maximum(before, 0) + np.maximum(after, 0)) / 2 * hours),
        returned_wh=intervals.total((np.maximum(-before, 0) + np.maximum(-after, 0)) / 2 * hours),
    )


def _mean(index: BucketIndex, at: Moments, values: Floats) -> Floats:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Floats = index.sum(at.slot, np.where(known, values, 0)) / index.sum(at.slot, known)
    return mean
