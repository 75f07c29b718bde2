"""How to read a counter that rises, falls, or jumps. Pure arithmetic on arrays: no Django, no clock, no I/O."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.rollup.bucket_index import SECOND, Flags, Floats, Ints

RESTART_SHARE = 0.9  # a counter that falls below this share of itself has begun again
ROUNDING_WH = 5.0  # a fall that is no restart is rounding up to this; beyond it, one of the two values is wrong
MISREADING_S = 90  # a counter that is back within this time has only been misread
COUNTER_LAG_S = 60  # devices publish their counter once a minute, so a difference may hold a minute more than its interval


class _Runs(NamedTuple):
    """Readings of one value in a row: which they begin with, the value, when they begin and end (µs), and their stretch."""

    first: NDArray[np.intp]
    value: Floats
    start: Ints
    end: Ints
    stretch: Ints


def misread(time: Ints, counter_wh: Floats, stretch: Ints, max_power_w: float) -> Flags:
    """Tell which counters are wrong: far off what stands before and after, which agree, and back where they belong within 90 s.

    Readings of one value in a row are judged together. Of two such runs side by side one is wrong at most: a dip rather than what stands
    above it, but of small deviations the higher one. So a reading's fate depends on what lies within twice that time, and the next run.
    """
    if not fallen(counter_wh[:-1], counter_wh[1:]).any():
        return np.zeros(len(time), bool)
    runs = _runs(time, counter_wh, stretch)
    wrong = np.zeros(len(runs.first) + 2, bool)  # with one at each end that never is
    wrong[2:-2] = _stray(runs, max_power_w)
    pair = wrong[:-1] & wrong[1:]
    value = np.pad(runs.value, 1)
    lower, higher = np.minimum(value[:-1], value[1:]), np.maximum(value[:-1], value[1:])
    spares_right = (value[:-1] < value[1:]) == (lower < RESTART_SHARE * higher)
    wrong[1:] &= ~(pair & spares_right)
    wrong[:-1] &= ~(pair & ~spares_right)
    return np.repeat(wrong[1:-1], np.diff(runs.first, append=len(time)))


def _runs(time: Ints, counter_wh: Floats, stretch: Ints) -> _Runs:
    begins = np.append(True, (np.diff(counter_wh) != 0) | (np.diff(stretch) != 0))
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(time)) - 1
    return _Runs(first, counter_wh[first], time[first], time[last], stretch[first])


def _stray(runs: _Runs, max_power_w: float) -> Flags:
    """Tell of each run between two others whether they agree with each other and not with it."""
    before, here, after = runs.value[:-2], runs.value[1:-1], runs.value[2:]
    until_here, until_after = (
        (runs.start[place:][: len(here)] - runs.end[place - 1 :][: len(here)]) / SECOND for place in (1, 2)
    )
    across = (runs.start[2:] - runs.end[:-2]) / SECOND
    together = (runs.stretch[:-2] == runs.stretch[2:]) & (runs.start[2:] - runs.start[1:-1] <= MISREADING_S * SECOND)
    plausible = ~absurd(after - before, across, max_power_w)
    dip = (here < RESTART_SHARE * before) & (after >= RESTART_SHARE * before)
    low = (here >= RESTART_SHARE * before) & (here < before - ROUNDING_WH)
    restart = (after < RESTART_SHARE * here) & ~absurd(after, until_after, max_power_w)
    high = (here > before) & (here > after + ROUNDING_WH) & (~restart | absurd(here - before, until_here, max_power_w))
    stray: Flags = together & plausible & (dip | ((low | high) & (after >= before - ROUNDING_WH)))
    return stray


def fallen(before: Floats, after: Floats) -> Flags:
    """Tell which counters are lower than the one before by more than rounding, or begin again."""
    return (after < before - ROUNDING_WH) | (after < RESTART_SHARE * before)


class Moved(NamedTuple):
    """How far a counter has moved since the one before, where it began again, and where it sank, which counts nothing."""

    wh: Floats
    restarted: Flags
    sunk: Flags


def moved(counter_wh: Floats) -> Moved:
    """Return the movement of each counter since the one before."""
    before, after = counter_wh[:-1], counter_wh[1:]
    restarted = after < RESTART_SHARE * before
    sunk = fallen(before, after) & ~restarted
    return Moved(np.where(restarted, after, np.where(sunk, 0, after - before)), restarted, sunk)


def absurd(moved_wh: Floats, seconds: Floats, max_power_w: float) -> Flags:
    """Tell which movements are more than the wiring can carry in the seconds that they took."""
    over: Flags = np.abs(moved_wh) > max_power_w / 3600 * (seconds + COUNTER_LAG_S)
    return over
