"""How to read a counter that rises, falls, or jumps. Pure arithmetic on arrays: no Django, no clock, no I/O."""

import numpy as np

from telemetry.grid import SECOND, Flags, Floats, Ints

RESTART_SHARE = 0.9  # a counter that falls below this share of itself has begun again
MISREADING = 60 * SECOND  # a counter that is back within this time has only been misread
COUNTER_LAG_S = 60  # devices publish their counter once a minute, so a difference may hold a minute more than its interval


def misread(time: Ints, energy_wh: Floats, span: Ints, max_power_w: float) -> Flags:
    """Tell which counters are dips or spikes: far off both neighbours, and back where they belong within a minute."""
    wrong = np.zeros(len(time), bool)
    if len(time) < 3:
        return wrong
    before, here, after = energy_wh[:-2], energy_wh[1:-1], energy_wh[2:]
    together = (span[:-2] == span[1:-1]) & (span[1:-1] == span[2:]) & (time[2:] - time[1:-1] <= MISREADING)
    back = after >= RESTART_SHARE * before
    dip = (here < RESTART_SHARE * before) & back
    rise = absurd(here - before, (time[1:-1] - time[:-2]) / SECOND, max_power_w) & (here > before)
    spike = rise & back & (after < here) & ~absurd(after - before, (time[2:] - time[:-2]) / SECOND, max_power_w)
    wrong[1:-1] = together & (dip | spike)
    return wrong


def moved(counter_wh: Floats) -> tuple[Floats, Flags]:
    """Return how far each counter has moved since the one before, and which began again."""
    before, after = counter_wh[:-1], counter_wh[1:]
    restarted = after < RESTART_SHARE * before
    return np.where(restarted, after, after - before), restarted


def absurd(moved_wh: Floats, seconds: Floats, max_power_w: float) -> Flags:
    """Tell which movements are more than the wiring can carry in the seconds that they took."""
    over: Flags = np.abs(moved_wh) > max_power_w / 3600 * (seconds + COUNTER_LAG_S)
    return over
