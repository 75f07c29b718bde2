"""What a channel used, computed from its readings. Pure arithmetic on arrays: no Django, no clock, no I/O.

Energy comes from the counter where there is one: the difference between consecutive counters. A fall of more than a tenth is a restart from
zero, and the new value counts; a smaller fall is rounding, left negative for the next rise to cancel. A difference that the wiring can't
carry counts nothing. Where no counter is, power is integrated by trapezoid over short gaps. Each interval between two readings is cut at
bucket edges in proportion to time, so the sum over buckets is the counter's movement, whatever the readings' order of arrival.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.counters import absurd, misread, moved
from telemetry.grid import BUCKET, SECOND, Floats, Grid, Ints, Moments, Steps

RECOVERED, REJECTED, RESTARTED = 1, 2, 4


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

    They must reach to two counters before and behind the span, or as far as there are any. Nothing counts from one stretch to another.
    """

    span: Ints
    counter_first: Ints
    counter_last: Ints


class Buckets(NamedTuple):
    """Computed buckets as columns, sorted by span and start (µs); NaN is what nobody measured."""

    span: Ints
    start: Ints
    measured_wh: Floats
    recovered_wh: Floats
    returned_wh: Floats
    covered_s: Floats
    samples: Ints
    power_min_w: Floats
    power_mean_w: Floats
    power_max_w: Floats
    voltage_v: Floats
    current_a: Floats
    flags: Ints


class _ByPower(NamedTuple):
    """What the power between readings that are near enough brings to each bucket: energy only where no counter tells it."""

    covered_s: Floats
    power_ws: Floats
    drawn_wh: Floats
    returned_wh: Floats


class _ByCounter(NamedTuple):
    """What the counters' movements bring to each bucket."""

    measured_wh: Floats
    recovered_wh: Floats
    returned_wh: Floats
    flags: Ints


def buckets(readings: Readings, stretches: Stretches, spans: Spans, rules: Rules) -> Buckets:
    """Return the buckets of the spans: those with a reading, and those that an interval with known energy or power touches."""
    grid = Grid(spans.lo, spans.hi, stretches.span)
    at = grid.moments(readings.stretch, readings.time)
    steps = Steps(grid, at)
    power, counter = _by_power(readings, stretches, rules, steps), _by_counter(readings, rules, grid, at, steps)
    samples = grid.count(at.slot)
    low, high = grid.extremes(at.slot, readings.power_w)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(power.covered_s > 0, power.power_ws / power.covered_s, grid.sum(at.slot, readings.power_w) / samples)
    columns: tuple[NDArray[Any], ...] = (
        power.drawn_wh + counter.measured_wh,
        counter.recovered_wh,
        power.returned_wh + counter.returned_wh,
        np.minimum(power.covered_s, BUCKET / SECOND),  # what several kinds of components say may overlap
        samples,
        low,
        mean,
        high,
        _mean(grid, at, readings.voltage_v),
        _mean(grid, at, readings.current_a),
        counter.flags,
    )
    known = np.flatnonzero((samples > 0) | (power.covered_s > 0) | (counter.flags > 0))
    return Buckets(*grid.buckets(known), *(column[known] for column in columns))


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


def _by_counter(readings: Readings, rules: Rules, grid: Grid, at: Moments, steps: Steps) -> _ByCounter:
    kept = ~np.isnan(readings.energy_wh)
    kept[kept] = ~misread(at.time[kept], readings.energy_wh[kept], at.stretch[kept], rules.max_power_w)
    if not kept.all():
        at = at.only(kept)
        steps = Steps(grid, at)
    drawn, restarted = moved(readings.energy_wh[kept])
    given, _ = moved(np.nan_to_num(readings.returned_wh[kept]))
    wild = absurd(drawn, steps.seconds, rules.max_power_w) | absurd(given, steps.seconds, rules.max_power_w)
    counts, gap = steps.inside & ~wild, steps.seconds > rules.counter_gap_s
    flags = (
        RECOVERED * (steps.total(counts & gap) > 0)
        + REJECTED * (steps.total(steps.inside & wild) > 0)
        + RESTARTED * (grid.count(at.slot[1:][counts & restarted]) > 0)
    )
    return _ByCounter(
        steps.total(np.where(counts & ~gap, drawn, 0)),
        steps.total(np.where(counts & gap, drawn, 0)),
        steps.total(np.where(counts, given, 0)),
        flags,
    )


def _mean(grid: Grid, at: Moments, values: Floats) -> Floats:
    said = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Floats = grid.sum(at.slot, np.where(said, values, 0)) / grid.sum(at.slot, said)
    return mean
