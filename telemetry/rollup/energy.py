"""What a channel used, computed from its readings. Pure arithmetic on arrays: no Django, no clock, no I/O.

Energy comes from the counter where there is one: the difference between consecutive counters. A fall of more than a tenth is a restart from
zero, and the new value counts; a fall of a few Wh is rounding, left negative for the next rise to cancel; any other fall, and a difference
that the wiring can't carry, count nothing. Where no counter is, power is integrated by trapezoid over short gaps. Each interval between two
readings is cut at bucket edges in proportion to time, so the sum over buckets is the counter's movement, whatever the readings' order of
arrival.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.rollup.arrays import Buckets, Readings, Rules, Spans, Stretches
from telemetry.rollup.bucket_index import BUCKET, SECOND, Floats, Grid, Moments, Steps
from telemetry.rollup.counter_movements import by_counter


class _ByPower(NamedTuple):
    """What the power between readings that are near enough brings to each bucket: energy only where no counter tells it."""

    covered_s: Floats
    power_ws: Floats
    drawn_wh: Floats
    returned_wh: Floats


def buckets(readings: Readings, stretches: Stretches, spans: Spans, rules: Rules) -> Buckets:
    """Return the buckets of the spans: those with a reading, and those that an interval with known energy or power touches."""
    grid = Grid(spans.lo, spans.hi, stretches.span)
    at = grid.moments(readings.stretch, readings.time)
    steps = Steps(grid, at)
    power, counter = _by_power(readings, stretches, rules, steps), by_counter(readings, rules, grid, at, steps)
    samples = grid.count(at.slot)
    low, high = grid.extremes(at.slot, readings.power_w)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(power.covered_s > 0, power.power_ws / power.covered_s, grid.sum(at.slot, readings.power_w) / samples)
    values: dict[str, NDArray[Any]] = {
        "measured_wh": power.drawn_wh + counter.measured_wh,
        "recovered_wh": counter.recovered_wh,
        "returned_wh": power.returned_wh + counter.returned_wh,
        "covered_s": np.minimum(power.covered_s, BUCKET / SECOND),  # what several kinds of components say may overlap
        "samples": samples,
        "power_min_w": low,
        "power_mean_w": mean,
        "power_max_w": high,
        "voltage_v": _mean(grid, at, readings.voltage_v),
        "current_a": _mean(grid, at, readings.current_a),
        "flags": counter.flags,
    }
    known = np.flatnonzero((samples > 0) | (power.covered_s > 0) | (counter.flags > 0))
    return Buckets(*grid.buckets(known), {name: column[known] for name, column in values.items()})


def _by_power(readings: Readings, stretches: Stretches, rules: Rules, steps: Steps) -> _ByPower:
    of = readings.stretch[1:]
    by_counter = (readings.time[:-1] >= stretches.counter_first[of]) & (readings.time[1:] <= stretches.counter_last[of])
    near = steps.inside & (steps.seconds <= np.where(by_counter, rules.counter_gap_s, rules.power_gap_s))
    covered_s = np.where(near, steps.seconds, 0)
    hours = np.where(by_counter, 0, covered_s / 3600)
    before, after = readings.power_w[:-1], readings.power_w[1:]
    return _ByPower(
        steps.total(covered_s),
        steps.total((before + after) / 2 * covered_s),
        steps.total((np.maximum(before, 0) + np.maximum(after, 0)) / 2 * hours),
        steps.total((np.maximum(-before, 0) + np.maximum(-after, 0)) / 2 * hours),
    )


def _mean(grid: Grid, at: Moments, values: Floats) -> Floats:
    said = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Floats = grid.sum(at.slot, np.where(said, values, 0)) / grid.sum(at.slot, said)
    return mean
