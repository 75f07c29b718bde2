"""Net metering as CFE does it for homes: what was returned is taken from what was drawn. Pure; energy is kWh.

A billing period that returned more than it drew leaves a credit, which the periods after it use up, the oldest first. What twelve months
did not use is paid out at the wholesale price and leaves the bill. Source: CRE's model contract for supplies below 0.5 MW, 2017.
"""

from collections.abc import Sequence
from typing import NamedTuple

MONTHS_KEPT = 12


class Exchange(NamedTuple):
    """What a home drew from the grid and returned to it in a billing period."""

    drawn_kwh: float
    returned_kwh: float


class Netted(NamedTuple):
    """What is billed for a period, the credit that made it less, and what is left of all credits for the periods after it."""

    billed_kwh: float
    credit_used_kwh: float
    credit_left_kwh: float


def netted(periods: Sequence[Exchange], months: int) -> list[Netted]:
    """Return what is billed for each of some consecutive billing periods of 1 or 2 months, the oldest first, from no credit on."""
    kept = MONTHS_KEPT // months
    credits: list[float] = []  # of the periods before, the oldest first
    found = []
    for drawn, returned in periods:
        credits = credits[-kept:]
        due, used = max(drawn - returned, 0.0), 0.0
        for number, credit in enumerate(credits):
            taken = min(credit, due - used)
            credits[number] -= taken
            used += taken
        credits.append(max(returned - drawn, 0.0))
        found.append(Netted(due - used, used, sum(credits[-kept:])))
    return found
