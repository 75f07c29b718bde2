"""How much of what circuits drew is known. Pure; energy is Wh, shares of time are 0 to 1."""

from collections.abc import Sequence
from typing import NamedTuple


class CircuitUse(NamedTuple):
    """What a circuit drew in a span of time, and the share of the span for which that is known.

    Where the mains count in some hours and circuits in others, the share is that of the hours in which such a thing counts, and `weight`
    is how much of the span that is, divided among those that count at once.
    """

    energy_wh: float
    known_share: float
    weight: float = 1.0
    is_main: bool = False


def known_share(circuits: Sequence[CircuitUse]) -> float:
    """Return the share of the time for which the use is known, as the mean of the circuits; 0 where there is none."""
    weight = sum(circuit.weight for circuit in circuits)
    return sum(circuit.known_share * circuit.weight for circuit in circuits) / weight if weight else 0.0


def mains_share(circuits: Sequence[CircuitUse]) -> float:
    """Return for how much of the time, from 0 to 1, the mains count and not circuits."""
    weight = sum(circuit.weight for circuit in circuits)
    return sum(circuit.weight for circuit in circuits if circuit.is_main) / weight if weight else 0.0


def missing_wh(circuits: Sequence[CircuitUse]) -> float:
    """Return what they would have drawn in the time that is unknown, each at the mean power of its known time.

    A circuit of which nothing is known adds nothing.
    """
    known = (circuit for circuit in circuits if circuit.known_share > 0)
    return sum(max(circuit.energy_wh, 0.0) * (1 - circuit.known_share) / circuit.known_share for circuit in known)
