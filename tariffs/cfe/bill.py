"""What a bill is made of. Pure: kWh are whole numbers, money is Decimal pesos."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple, Self

from tariffs.cfe.tariffs import Season, Tier

ZERO = Decimal(0)
IVA = Decimal("0.16")  # what real bills show; the border's 8 % is only said
CENT = Decimal("0.01")


def to_cents(amount: Decimal) -> Decimal:
    """Return the amount rounded half up to whole cents."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def kwh_to_bill(kwh: float) -> int:
    """Return the whole kWh that CFE bills of an energy: the nearest, half up, never less than 0.

    A bill's kWh are the difference of two readings of a display that shows whole kWh (rule 3 of "How a bill is made": kWh are whole
    numbers). Each reading is cut, so that the difference is the energy rounded down or up, and the nearest is right on average; CFE
    splits the kWh of a mixed bill half up, too. The energy is rounded to Wh first: the noise of adding floats must not decide.
    """
    return max(round(kwh * 1000) + 500, 0) // 1000


class Levy(NamedTuple):
    """What comes after IVA, untaxed: a share of the energy subtotal as a fraction, a sum of pesos for each bill, or both."""

    share: Decimal = ZERO
    sum_mxn: Decimal = ZERO

    def on(self, subtotal: Decimal) -> Decimal:
        """Return the levy on an energy subtotal, in whole cents."""
        return to_cents(subtotal * self.share + self.sum_mxn)


class Terms(NamedTuple):
    """What a supply contract says about its bills.

    Each covers 1 or 2 months; summer starts in a month from 2 to 5; IVA is a fraction. `lighting` is the municipality's (DAP),
    `discount` the state's, which is taken off. Without a known reading the periods of bimonthly bills may be those a month apart.
    """

    billing_months: int = 1
    summer_start_month: int = 5
    iva_rate: Decimal = IVA
    lighting: Levy = Levy()
    discount: Levy = Levy()
    is_reading_known: bool = True


class Certainty(StrEnum):
    """How far a bill can be trusted, the best first."""

    EXACT = "exact"
    PROVISIONAL = "provisional"
    ESTIMATE = "estimate"


CERTAINTIES = [certainty.value for certainty in Certainty]


class Doubt(StrEnum):
    DERIVED_PRICE = "derived_price"
    UNKNOWN_MONTH = "unknown_month"
    MIXED_SEASON = "mixed_season"
    STATE_SCHEME = "state_scheme"
    UNKNOWN_READING = "unknown_reading"
    MONTHLY_PRICE_MONTH = "monthly_price_month"
    UNUSUAL_IVA = "unusual_iva"
    ESTIMATED_HOURS = "estimated_hours"
    UNKNOWN_HOURS = "unknown_hours"
    RETURNED_ENERGY = "returned_energy"
    NET_METERING = "net_metering"
    NET_BILLING = "net_billing"


ESTIMATES = frozenset(Doubt) - {Doubt.DERIVED_PRICE, Doubt.UNKNOWN_MONTH, Doubt.MONTHLY_PRICE_MONTH, Doubt.UNUSUAL_IVA}


class Line(NamedTuple):
    """The energy of one tier, and the month whose price it has; kWh are whole but in a mixed bill, whose tiers end in between."""

    tier: Tier
    season: Season
    kwh: int | Decimal
    price: Decimal
    amount: Decimal
    price_month: date


class Bill(NamedTuple):
    """A bill. `energy_subtotal` is the lines and DAC's fixed charge; `period_total` adds IVA to it, `grand_total` all the rest.

    `kwh` is what was used, which the lines exceed where the minimum applies. `other` is what does not come of energy, such as a deposit.
    `amount_to_pay` is the total with the cents of the last bill (`carried_in`), cut to pesos; its own cents go on to the next bill
    (`carried_out`). `season` and `price_month` are those of most of the days.
    """

    kwh: int
    lines: tuple[Line, ...]
    fixed_charge: Decimal
    energy_subtotal: Decimal
    iva: Decimal
    period_total: Decimal
    dap: Decimal
    discount: Decimal
    other: Decimal
    grand_total: Decimal
    carried_in: Decimal
    amount_to_pay: int
    carried_out: Decimal
    season: Season
    price_month: date
    doubts: tuple[Doubt, ...]

    @property
    def certainty(self) -> Certainty:
        """Return how far the bill can be trusted; the doubts say why."""
        if not ESTIMATES.isdisjoint(self.doubts):
            return Certainty.ESTIMATE
        return Certainty.PROVISIONAL if self.doubts else Certainty.EXACT

    def doubted(self, *doubts: Doubt) -> Self:
        """Return the bill with more doubts, such as those of its kWh."""
        return self._replace(doubts=(*doubts, *self.doubts))
