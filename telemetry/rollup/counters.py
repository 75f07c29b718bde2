"""Counters that rise, fall or jump, and what their movements bring to each bucket. Pure arithmetic on arrays: no Django, no clock, no I/O.

A fall of more than a tenth is a restart from zero, and the new value counts; a fall of a few Wh is rounding, left negative for the next
rise to cancel; any other fall, and a difference that the wiring can't carry, count nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.columns import Flag
from telemetry.rollup.arrays import Bools, Floats, Ints, Readings, Rules
from telemetry.rollup.bucket_index import SECOND, BucketIndex, Intervals, Moments

RESTART_SHARE = 0.9  # a counter that falls below this share of itself has begun again
ROUNDING_WH = 5.0  # a fall that is no restart is rounding up to this; beyond it, one of the two values is wrong
MISREADING_S = 90  # a counter that is back within this time has only been misread
COUNTER_LAG_S = 60  # devices publish their counter once a minute, so a difference may hold a minute more than its interval
COUNTER_DECIMALS = 3  # of Wh


class ByCounter(NamedTuple):
    """What the counters of energy drawn and returned bring to each bucket."""

    measured_wh: Floats
    recovered_wh: Floats
    returned_wh: Floats
    flags: Ints


class _Movement(NamedTuple):
    """What one counter's movement brings to each bucket, or the same to all."""

    measured_wh: Floats | float
    recovered_wh: Floats | float
    flags: Ints


class _Runs(NamedTuple):
    """Readings of one value in a row: which they begin with, the value, when they begin and end, and their range of readings."""

    first: NDArray[np.intp]
    value: Floats
    start: Ints
    end: Ints
    range_index: Ints


def by_counter(readings: Readings, rules: Rules, index: BucketIndex, at: Moments, intervals: Intervals) -> ByCounter:
    """Read the two counters apart, each with its own restarts and misreadings, and take one movement from the other.

    Devices count what they draw and what they return in one counter, or in two; the sum of both has the same restarts either way.
    """
    counted = ~np.isnan(readings.energy_wh)
    if not counted.all():
        at = at.only(counted)
        intervals = Intervals(index, at)
    both, *returned = (_movement(counter, rules, index, at, intervals) for counter in _counters(readings, counted))
    return _net(both, returned[0] if returned else _Movement(0.0, 0.0, np.zeros(index.size, np.int64)))


def last_falls(readings: Readings) -> tuple[Ints, Ints]:
    """Return the ranges in which a counter is lower than the one before it by more than rounding, and when it last was."""
    counted = ~np.isnan(readings.energy_wh)
    range_index = readings.range_index[counted]
    down = np.zeros(max(len(range_index) - 1, 0), bool)
    for counter in _counters(readings, counted):
        down |= _fallen(counter[:-1], counter[1:])
    falls = np.flatnonzero(down & (range_index[1:] == range_index[:-1])) + 1
    last = np.flatnonzero(np.diff(range_index[falls], append=-1))
    return range_index[falls[last]], readings.time[counted][falls[last]]


def _counters(readings: Readings, counted: Bools) -> list[Floats]:
    """Return the counter of both directions, and that of returned energy, if any, of the readings that have counters."""
    drawn, returned = readings.energy_wh[counted], np.nan_to_num(readings.returned_wh[counted])
    if not returned.any():
        return [drawn]
    return [np.where(returned > 0, np.round(drawn + returned, COUNTER_DECIMALS), drawn), returned]


def _movement(counter_wh: Floats, rules: Rules, index: BucketIndex, at: Moments, intervals: Intervals) -> _Movement:
    wrong = _misread(at, counter_wh, rules.max_power_w)
    if wrong.any():
        at, counter_wh = at.only(~wrong), counter_wh[~wrong]
        intervals = Intervals(index, at)
    before, after = counter_wh[:-1], counter_wh[1:]
    restarted = after < RESTART_SHARE * before
    sunk = _fallen(before, after) & ~restarted
    moved_wh = np.where(restarted, after, np.where(sunk, 0, after - before))
    rejected = _is_absurd(moved_wh, intervals.seconds, rules.max_power_w) | sunk
    counts, gap = intervals.inside & ~rejected, intervals.seconds > rules.counter_gap_s
    flags = (
        Flag.RECOVERED * (intervals.total(counts & gap) > 0)
        + Flag.REJECTED * (intervals.total(intervals.inside & rejected) > 0)
        + Flag.RESTARTED * (index.count(at.slot[1:][counts & restarted]) > 0)
    )
    return _Movement(
        measured_wh=intervals.total(np.where(counts & ~gap, moved_wh, 0)),
        recovered_wh=intervals.total(np.where(counts & gap, moved_wh, 0)),
        flags=flags,
    )


def _net(both: _Movement, returned: _Movement) -> ByCounter:
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


def _misread(at: Moments, counter_wh: Floats, max_power_w: float) -> Bools:
    """Return which counters are wrong: far off what stands before and after, which agree, and back where they belong within 90 s.

    Readings of one value in a row are judged together. Of two such runs side by side one is wrong at most: a dip rather than what stands
    above it, but of small deviations the higher one. So a reading's fate depends on what lies within twice that time, and the next run.
    """
    if not _fallen(counter_wh[:-1], counter_wh[1:]).any():
        return np.zeros(len(counter_wh), bool)
    runs = _runs(at, counter_wh)
    wrong = np.zeros(len(runs.first) + 2, bool)  # with one at each end that never is
    wrong[2:-2] = _deviates(runs, max_power_w)
    pair = wrong[:-1] & wrong[1:]
    value = np.pad(runs.value, 1)
    lower, higher = np.minimum(value[:-1], value[1:]), np.maximum(value[:-1], value[1:])
    spares_right = (value[:-1] < value[1:]) == (lower < RESTART_SHARE * higher)
    wrong[1:] &= ~(pair & spares_right)
    wrong[:-1] &= ~(pair & ~spares_right)
    return np.repeat(wrong[1:-1], np.diff(runs.first, append=len(counter_wh)))


def _runs(at: Moments, counter_wh: Floats) -> _Runs:
    begins = np.append(True, (np.diff(counter_wh) != 0) | (np.diff(at.range_index) != 0))
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(counter_wh)) - 1
    return _Runs(first, counter_wh[first], at.time[first], at.time[last], at.range_index[first])


def _deviates(runs: _Runs, max_power_w: float) -> Bools:
    """Return of each run between two others whether they agree with each other and not with it."""
    before, here, after = runs.value[:-2], runs.value[1:-1], runs.value[2:]
    until_here, until_after = (
        (runs.start[place:][: len(here)] - runs.end[place - 1 :][: len(here)]) / SECOND for place in (1, 2)
    )
    across = (runs.start[2:] - runs.end[:-2]) / SECOND
    together = (runs.range_index[:-2] == runs.range_index[2:]) & (runs.start[2:] - runs.start[1:-1] <= MISREADING_S * SECOND)
    plausible = ~_is_absurd(after - before, across, max_power_w)
    dip = (here < RESTART_SHARE * before) & (after >= RESTART_SHARE * before)
    low = (here >= RESTART_SHARE * before) & (here < before - ROUNDING_WH)
    restart = (after < RESTART_SHARE * here) & ~_is_absurd(after, until_after, max_power_w)
    high = (here > before) & (here > after + ROUNDING_WH) & (~restart | _is_absurd(here - before, until_here, max_power_w))
    deviates: Bools = together & plausible & (dip | ((low | high) & (after >= before - ROUNDING_WH)))
    return deviates


def _fallen(before: Floats, after: Floats) -> Bools:
    """Return which counters are lower than the one before by more than rounding, or begin again."""
    return (after < before - ROUNDING_WH) | (after < RESTART_SHARE * before)


def _is_absurd(moved_wh: Floats, seconds: Floats, max_power_w: float) -> Bools:
    """Return which movements are more than the wiring can carry in the seconds that they took."""
    over: Bools = np.abs(moved_wh) > max_power_w / 3600 * (seconds + COUNTER_LAG_S)
    return over
