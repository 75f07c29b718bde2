"""A load behind a relay."""

import math
from itertools import pairwise

from devices.simulator.appliances import KINDS
from devices.simulator.load_curve import Curve

# A counter reports its last three full minutes.
MINUTES_REPORTED = 3
CHANGES_KEPT_S = 60 * (MINUTES_REPORTED + 2)


class Circuit:
    """A load behind a relay. No energy flows while it is off; `counts_since` is when its counter forgot the minutes before."""

    def __init__(self, curve: Curve, *, is_on: bool) -> None:
        self.curve = curve
        self.returns = KINDS[curve.kind].returns_energy
        self.counts_since = -math.inf
        self._changes = [(-math.inf, is_on)]

    @property
    def is_on(self) -> bool:
        return self._changes[-1][1]

    def switch(self, time: float, *, on: bool) -> None:
        if on != self.is_on:
            kept = [one for one in self._changes if one[0] > time - CHANGES_KEPT_S]
            self._changes = [*self._changes[-len(kept) - 1 :], (time, on)]

    def power_w(self, time: float) -> float:
        """Return W at a time after the last change; below zero where it returns energy."""
        if not self.is_on:
            return 0.0
        return -self.curve.at(time).power_w if self.returns else self.curve.at(time).power_w

    def energy_wh(self, start: float, end: float) -> float:
        """Return the Wh that flowed in [start, end), whichever way; relays are remembered for the minutes that a counter reports."""
        spans = pairwise([*self._changes, (math.inf, False)])
        on = ((max(start, since), min(end, until)) for (since, is_on), (until, _) in spans if is_on)
        return sum(self.curve.energy_wh(since, until) for since, until in on if until > since)
