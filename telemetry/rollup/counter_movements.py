"""What the movements of counters bring to each bucket. Pure arithmetic on arrays: no Django, no clock, no I/O."""

from typing import NamedTuple

import numpy as np

from telemetry.columns import Flag
from telemetry.rollup.arrays import Readings, Rules
from telemetry.rollup.bucket_index import Flags, Floats, Grid, Ints, Moments, Steps
from telemetry.rollup.counters import ROUNDING_WH, absurd, fallen, misread, moved

COUNTER_DECIMALS = 3  # of Wh


class _Movement(NamedTuple):
    """What one counter's movement brings to each bucket, or the same to all."""

    measured_wh: Floats | float
    recovered_wh: Floats | float
    flags: Ints


class ByCounter(NamedTuple):
    """What the counters of energy drawn and returned bring to each bucket."""

    measured_wh: Floats
    recovered_wh: Floats
    returned_wh: Floats
    flags: Ints


def by_counter(readings: Readings, rules: Rules, grid: Grid, at: Moments, steps: Steps) -> ByCounter:
    """Read the two counters apart, each with its own restarts and misreadings, and take one movement from the other.

    Devices count what they draw and what they return in one counter, or in two; the sum of both has the same restarts either way.
    """
    said = ~np.isnan(readings.energy_wh)
    if not said.all():
        at = at.only(said)
        steps = Steps(grid, at)
    both, *returned = (_movement(counter, rules, grid, at, steps) for counter in _counters(readings, said))
    return _less(both, returned[0] if returned else _Movement(0.0, 0.0, np.zeros(grid.size, np.int64)))


def _counters(readings: Readings, said: Flags) -> list[Floats]:
    """Return the counter of both directions, and that of returned energy, if any, where the readings say them."""
    drawn, returned = readings.energy_wh[said], np.nan_to_num(readings.returned_wh[said])
    if not returned.any():
        return [drawn]
    return [np.where(returned > 0, np.round(drawn + returned, COUNTER_DECIMALS), drawn), returned]


def _movement(counter_wh: Floats, rules: Rules, grid: Grid, at: Moments, steps: Steps) -> _Movement:
    wrong = misread(at.time, counter_wh, at.stretch, rules.max_power_w)
    if wrong.any():
        at, counter_wh = at.only(~wrong), counter_wh[~wrong]
        steps = Steps(grid, at)
    wh, restarted, sunk = moved(counter_wh)
    rejected = absurd(wh, steps.seconds, rules.max_power_w) | sunk
    counts, gap = steps.inside & ~rejected, steps.seconds > rules.counter_gap_s
    flags = (
        Flag.RECOVERED * (steps.total(counts & gap) > 0)
        + Flag.REJECTED * (steps.total(steps.inside & rejected) > 0)
        + Flag.RESTARTED * (grid.count(at.slot[1:][counts & restarted]) > 0)
    )
    return _Movement(steps.total(np.where(counts & ~gap, wh, 0)), steps.total(np.where(counts & gap, wh, 0)), flags)


def _less(both: _Movement, returned: _Movement) -> ByCounter:
    """Take the returned energy from both directions. Rounding may make a bucket negative by a few Wh; more than that is not true."""
    columns = (
        both.measured_wh - returned.measured_wh,
        both.recovered_wh - returned.recovered_wh,
        returned.measured_wh + returned.recovered_wh,
    )
    flags = both.flags | (returned.flags & ~Flag.RECOVERED)
    for column in columns:
        flags = flags | Flag.REJECTED * (column < -ROUNDING_WH)
    measured, recovered, gone = (np.maximum(column, -ROUNDING_WH) for column in columns)
    return ByCounter(measured, recovered, gone, flags)


def last_falls(readings: Readings) -> tuple[Ints, Ints]:
    """Return the stretches in which a counter is lower than the one before it by more than rounding, and when it last was."""
    said = ~np.isnan(readings.energy_wh)
    stretch = readings.stretch[said]
    down = np.zeros(max(len(stretch) - 1, 0), bool)
    for counter in _counters(readings, said):
        down |= fallen(counter[:-1], counter[1:])
    falls = np.flatnonzero(down & (stretch[1:] == stretch[:-1])) + 1
    last = np.flatnonzero(np.diff(stretch[falls], append=-1))
    return stretch[falls[last]], readings.time[said][falls[last]]
