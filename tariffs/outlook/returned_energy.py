"""Energy that a home returned to the grid in its running cycle, and what it leaves to be billed. Pure; energy is kWh."""

from typing import NamedTuple

from tariffs.cfe.bill import Doubt
from tariffs.outlook.cycle_outlook import SoFar
from tariffs.outlook.forecast import Estimate, Forecast, TooLittle

# What the clamps of a home without panels may take for returned energy in a cycle.
LEAST_RETURNED_KWH = 1.0


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
