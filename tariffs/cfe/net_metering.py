"""Net metering as CFE does it for homes: what was returned is taken from what was drawn. Pure; energy is kWh.

A billing period that returned more than it drew leaves a credit, which the periods after it use up, the oldest first. What twelve months
did not use is paid out at the wholesale price and leaves the bill. Source: CRE's model contract for supplies below 0.5 MW, 2017.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tariffs.cfe.bill import Doubt
from tariffs.outlook.cycle_outlook import SoFar
from tariffs.outlook.forecast import Estimate, Forecast, TooLittle

MONTHS_KEPT = 12
# What the clamps of a home without panels may take for returned energy in a cycle.
LEAST_RETURNED_KWH = 1.0


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


class Returned(NamedTuple):
    """What a home returned in its running cycle: in whole hours, in the one that has begun, and from there on with what nobody measured.

    `credit_kwh` is what the cycles before it left.
    """

    base_kwh: float
    running_kwh: float
    rest: Forecast | TooLittle
    credit_kwh: float

    @property
    def kwh(self) -> float:
        """The energy returned so far, as far as it was measured."""
        return self.base_kwh + self.running_kwh


def generation_doubts(scheme: str, returned_kwh: float) -> tuple[Doubt, ...]:
    """Return why no bill of a home that generates is exact; `scheme` is its contract's word on it."""
    if scheme != "none":
        return (Doubt.NET_METERING if scheme == "net_metering" else Doubt.NET_BILLING,)
    return (Doubt.RETURNED_ENERGY,) if returned_kwh >= LEAST_RETURNED_KWH else ()


def net_so_far(drawn: SoFar, returned: Returned) -> SoFar:
    """Return what is billed of the cycle so far; below nothing, it is what the coming cycles are credited."""
    missing = None if isinstance(returned.rest, TooLittle) else returned.rest.missing
    return drawn._replace(
        base_kwh=drawn.base_kwh - returned.base_kwh - returned.credit_kwh,
        running_kwh=drawn.running_kwh - returned.running_kwh,
        estimate=None if drawn.estimate is None or missing is None else _less(drawn.estimate, missing),
        may_fall=True,
    )


def net_rest(drawn: Forecast | TooLittle, returned: Forecast | TooLittle) -> Forecast | TooLittle:
    """Return what will be billed of what is not measured; it may fall from day to day."""
    if isinstance(drawn, TooLittle):
        return drawn
    if isinstance(returned, TooLittle):
        return returned
    until = tuple(_less(used, given) for used, given in zip(drawn.until, returned.until, strict=True))
    return Forecast(drawn.dates, until, _less(drawn.missing, returned.missing))


def _less(drawn: Estimate, returned: Estimate) -> Estimate:
    """Return the difference; its interval is as wide as both, since sun and use have little to do with each other."""
    below, above = (
        ((one.expected - one.low) ** 2 + (other.high - other.expected) ** 2) ** 0.5
        for one, other in ((drawn, returned), (_mirrored(drawn), _mirrored(returned)))
    )
    expected = drawn.expected - returned.expected
    return Estimate(expected, expected - below, expected + above)


def _mirrored(one: Estimate) -> Estimate:
    return Estimate(-one.expected, -one.high, -one.low)
