"""How much of what circuits drew is known. Pure; energy is Wh, shares of time are 0 to 1."""

from collections.abc import Sequence
from typing import NamedTuple


class CircuitUse(NamedTuple):
    """What a circuit drew in a span of time, and the share of the span for which that is known."""

    energy_wh: float
    known_share: float


def known_share(circuits: Sequence[CircuitUse]) -> float:
    """Return the share of the time for which the use is known, as the mean of the circuits; 0 where there is none."""
    return sum(circuit.known_share for circuit in circuits) / len(circuits) if circuits else 0.0


def missing_wh(circuits: Sequence[CircuitUse]) -> float:
    """Return what they would have drawn in the time that is unknown, each at the mean power of its known time.

    A circuit of which nothing is known adds nothing.
    """
    return sum(max(energy, 0.0) * (1 - share) / share for energy, share in circuits if share > 0)
