"""What a home's running cycle will come to: its tier, its bill, the next tier and DAC. Pure.

kWh of the cycle are those measured so far, those of hours that nobody measured, and those to come; bills are of whole ones (`kwh_to_bill`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from tariffs.cfe.bill import Bill, Doubt, kwh_to_bill
from tariffs.cfe.billing import Biller, TierPosition
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.tariffs import Tier
from tariffs.outlook.dac import DacProjection
from tariffs.outlook.forecast import NOTHING, Crossing, Estimate, Forecast, TooLittle, crossing
from tariffs.outlook.past_periods import NEGLIGIBLE_SHARE


class Cost(NamedTuple):
    """Pesos: what is expected, and the 80 % interval."""

    expected: Decimal
    low: Decimal
    high: Decimal


class SoFar(NamedTuple):
    """What is known of the cycle so far.

    `base_kwh` was measured in its `hours_passed` whole hours, of which `hours_known` are known, `running_kwh` in the one that has begun.
    `estimate` is what is missing of the whole hours, None where there is nothing to go by yet. Where what was returned is taken from what
    was drawn, the sum `may_fall`.
    """

    base_kwh: float
    running_kwh: float
    hours_passed: int
    hours_known: float
    estimate: Estimate | None
    may_fall: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether what is missing is negligible."""
        return self.hours_known >= (1 - NEGLIGIBLE_SHARE) * self.hours_passed

    @property
    def missing(self) -> Estimate | None:
        """The kWh of hours that nobody measured; None where nobody can say how many."""
        return NOTHING if self.is_complete else self.estimate

    @property
    def measured_kwh(self) -> float:
        """The kWh that were measured: never more than were used."""
        return max(self.base_kwh + self.running_kwh, 0.0)

    @property
    def kwh(self) -> Estimate:
        """The best estimate of what was used; where nobody can say what is missing, the measured."""
        return Estimate(*(max(self.base_kwh + self.running_kwh + more, 0.0) for more in self.missing or NOTHING))

    @property
    def high_kwh(self) -> float | None:
        """The upper end of what was used; None where nobody can say what is missing."""
        return None if self.missing is None else self.kwh.high

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        if self.is_complete:
            return ()
        return (Doubt.UNKNOWN_HOURS if self.estimate is None else Doubt.ESTIMATED_HOURS,)


class Now(NamedTuple):
    """The cycle so far. The costs are of the energy used, and of the bill that would come if nothing more were used (its minimum)."""

    so_far: SoFar
    position: TierPosition
    next_kwh_mxn: Decimal
    cost_mxn: Cost
    bill: Bill

    @property
    def kwh(self) -> float:
        """The best estimate of what was used."""
        return self.so_far.kwh.expected

    @property
    def high_cost_mxn(self) -> Decimal | None:
        """The upper end of the cost of what was used; None where nobody can say what is missing."""
        return None if self.so_far.missing is None else self.cost_mxn.high


class Ahead(NamedTuple):
    """The whole cycle as it will be, with the bill of what is expected."""

    kwh: Estimate
    cost_mxn: Cost
    bill: Bill


class NextTier(NamedTuple):
    """The tier that follows: after how many kWh of the cycle, on which dates, and the kWh a day that avoid it (0: no longer possible)."""

    tier: Tier
    begins_after_kwh: int
    crossing: Crossing | None
    kwh_per_day_to_avoid: float | None


class DacOutlook(NamedTuple):
    """Where the home stands towards DAC, and what DAC adds to the bill of this cycle.

    `added_mxn` is the bill in DAC less the bill in the locality's tariff: what entering costs, or what leaving saves.
    """

    is_in: bool
    projection: DacProjection
    added_mxn: Decimal | None


class Generation(NamedTuple):
    """What a home has drawn from the grid and returned to it in its cycle, kWh, and the credit that the cycles before it left.

    `scheme` is what the contract says of it.
    """

    scheme: str
    drawn_kwh: float
    returned_kwh: float
    credit_kwh: float


class Outlook(NamedTuple):
    """A home's running cycle and where it leads; where returned energy is netted, what it uses is what is billed of that.

    Without a forecast `ahead` is None, and `days_known` says how much it has to go by.
    """

    cycle: Cycle
    days_left: float
    now: Now
    ahead: Ahead | None
    days_known: float | None
    next_tier: NextTier | None
    dac: DacOutlook | None
    generation: Generation | None  # where nothing is returned


def now_of(biller: Biller, so_far: SoFar, doubts: Sequence[Doubt] = ()) -> Now:
    """Return the cycle so far; the doubts are those of the home, whatever was measured."""
    whole, low, high = (kwh_to_bill(kwh) for kwh in so_far.kwh)
    cost = Cost(*(biller.bill(kwh, is_whole=False).grand_total if kwh else Decimal(0) for kwh in (whole, low, high)))
    return Now(
        so_far, biller.position(whole), biller.next_kwh_mxn(whole), cost, biller.bill(whole).doubted(*doubts, *so_far.doubts)
    )


def ahead_of(biller: Biller, so_far: SoFar, rest: Forecast | TooLittle, doubts: Sequence[Doubt] = ()) -> Ahead | None:
    """Return the cycle as it will be: what `rest` adds to the kWh measured in its whole hours, and never less than there is already.

    What may fall is never less than nothing.
    """
    if isinstance(rest, TooLittle):
        return None
    least = NOTHING if so_far.may_fall else so_far.kwh
    total = Estimate(*(max(so_far.base_kwh + more, kwh) for more, kwh in zip(rest.total, least, strict=True)))
    bills = [biller.bill(kwh_to_bill(each)).doubted(*doubts) for each in total]
    return Ahead(total, Cost(*(bill.grand_total for bill in bills)), bills[0])


def next_tier_of(now: Now, rest: Forecast | TooLittle, days_left: float) -> NextTier | None:
    """Return the tier that follows, or None in the last one. Without a forecast nobody knows when.

    It begins with the energy that is billed as one kWh more than its limit, and is avoided by what ends at the limit.
    """
    position = now.position
    if position.kwh_left is None or position.next_tier is None:
        return None
    limit = kwh_to_bill(now.kwh) + position.kwh_left
    found = None if isinstance(rest, TooLittle) else crossing(rest, limit + 0.5 - now.so_far.base_kwh)
    return NextTier(position.next_tier, limit, found, per_day(limit - now.kwh, days_left))


def per_day(kwh: float, days_left: float) -> float | None:
    """Return the kWh a day that use up so many in the days left; None on the last day's end."""
    return max(kwh, 0.0) / days_left if days_left > 0 else None
