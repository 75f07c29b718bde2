"""CFE's residential bill. Pure: the rules stand here, the prices are handed in, and there is no clock.

kWh are whole numbers, money is Decimal pesos, every rounding is half up to the cent.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

from tariffs.constants import MINIMUM_KWH_PER_MONTH, Provenance, Season, Tier
from tariffs.prices import PriceBook, Rate
from tariffs.seasons import BillSeason, season_of_period

CENT = Decimal("0.01")
# The price month is the one that holds the day this long before the period's end, by the months of the period. The bimonthly
# rule is confirmed by bills, the monthly one is only cited.
DAYS_BEFORE_END = {1: timedelta(days=15), 2: timedelta(days=30)}


class Terms(NamedTuple):
    """What a supply contract says about its bills: 1 or 2 months each, the month (2–5) summer starts in, IVA as a fraction."""

    billing_months: int = 1
    summer_start_month: int = 5
    iva_rate: Decimal = Decimal("0.16")


class Certainty(StrEnum):
    """How far a bill can be trusted, the best first."""

    EXACT = "exact"
    PROVISIONAL = "provisional"
    ESTIMATE = "estimate"


class Doubt(StrEnum):
    """Why a bill is not exact."""

    DERIVED_PRICE = "derived_price"
    UNKNOWN_MONTH = "unknown_month"
    MIXED_SEASON = "mixed_season"


class Line(NamedTuple):
    """The energy of one tier."""

    tier: Tier
    season: Season
    kwh: int
    price: Decimal
    amount: Decimal


class Bill(NamedTuple):
    """A bill up to IVA: `energy_subtotal` is the lines and DAC's fixed charge, `period_total` adds IVA to it.

    `kwh` is what was used, which the lines exceed where the minimum applies. `price_month` is the month whose prices were taken.
    """

    kwh: int
    lines: tuple[Line, ...]
    fixed_charge: Decimal
    energy_subtotal: Decimal
    iva: Decimal
    period_total: Decimal
    season: Season
    price_month: date
    doubts: tuple[Doubt, ...]

    @property
    def certainty(self) -> Certainty:
        """Return how far the bill can be trusted; the doubts say why."""
        if Doubt.MIXED_SEASON in self.doubts:
            return Certainty.ESTIMATE
        return Certainty.PROVISIONAL if self.doubts else Certainty.EXACT


def to_cents(amount: Decimal) -> Decimal:
    """Return the amount rounded half up to whole cents."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def price_month(end: date, billing_months: int) -> date:
    """Return the first day of the month whose prices a period with this (exclusive) end pays."""
    return (end - DAYS_BEFORE_END[billing_months]).replace(day=1)


def bill_period(start: date, end: date, kwh: int, *, terms: Terms, prices: PriceBook) -> Bill:
    """Return the bill of the local dates [start, end): `end` is the reading's date, as printed on a paper bill.

    For a cycle that is still running this is what CFE would print if the meter were read now and the cycle kept its dates. Raises
    NoPrices, and ValueError on an empty period or negative kWh.
    """
    if start >= end:
        raise ValueError(f"the period {start}–{end} has no day")
    found = BillSeason(Season.ALL_YEAR)
    if prices.has_seasons:
        found = season_of_period(start, end, summer_start_month=terms.summer_start_month, billing_months=terms.billing_months)
    month = price_month(end, terms.billing_months)
    return bill_month(month, found.season, kwh, terms=terms, prices=prices, is_mixed=found.is_mixed)


def bill_month(month: date, season: Season, kwh: int, *, terms: Terms, prices: PriceBook, is_mixed: bool = False) -> Bill:
    """Return a bill whose price month and season are known. Raises NoPrices, and ValueError on negative kWh."""
    if kwh < 0:
        raise ValueError(f"a bill can't be made of {kwh} kWh")
    known = prices.known_month(season, month)
    tiers = prices.tiers(season, known)
    lines = tuple(_lines(max(kwh, MINIMUM_KWH_PER_MONTH * terms.billing_months), tiers, terms.billing_months))
    fixed_charge = to_cents((tiers[0].fixed_charge_mxn_month or Decimal(0)) * terms.billing_months)
    subtotal = sum((line.amount for line in lines), fixed_charge)
    iva = to_cents(subtotal * terms.iva_rate)
    doubts = tuple(_doubts(tiers[: len(lines)], is_other_month=known != month, is_mixed=is_mixed))
    return Bill(kwh, lines, fixed_charge, subtotal, iva, subtotal + iva, season, known, doubts)


def _lines(kwh: int, tiers: Iterable[Rate], months: int) -> Iterator[Line]:
    """Split kWh over the tiers reached; their limits hold for one month and are multiplied, never prorated by days."""
    for rate in tiers:
        upper = kwh if rate.upper_kwh_month is None else min(kwh, rate.upper_kwh_month * months)
        used = upper - rate.lower_kwh_month * months
        if used <= 0:
            return
        yield Line(rate.tier, rate.season, used, rate.price_mxn_per_kwh, to_cents(used * rate.price_mxn_per_kwh))


def _doubts(used: Iterable[Rate], *, is_other_month: bool, is_mixed: bool) -> Iterator[Doubt]:
    if is_mixed:
        yield Doubt.MIXED_SEASON
    if is_other_month:
        yield Doubt.UNKNOWN_MONTH
    if any(rate.provenance == Provenance.DERIVED for rate in used):
        yield Doubt.DERIVED_PRICE
