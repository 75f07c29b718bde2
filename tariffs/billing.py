"""CFE's residential bill. Pure: the rules stand here, the prices are handed in, and there is no clock.

kWh are whole numbers, money is Decimal pesos, every rounding is half up to the cent but the last: what is to be paid is cut to pesos.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple, Self

from tariffs.bill import ZERO, Bill, Doubt, Line, Terms, to_cents
from tariffs.constants import MAX_KWH, MINIMUM_KWH_PER_MONTH, Provenance, Season, Tier
from tariffs.prices import PriceBook, Rate
from tariffs.seasons import DAY, Stretch, stretches

# The price month is the one that holds the day this long before the period's end, by the months of the period. The bimonthly
# rule is confirmed by bills, the monthly one is only cited.
DAYS_BEFORE_END = {1: timedelta(days=15), 2: timedelta(days=30)}


class Section(NamedTuple):
    """A part of a bill with one season: its days, how many months of tiers it gets, the month whose prices it should pay and its prices."""

    day_count: int
    months: int
    month: date
    tiers: Sequence[Rate]

    @property
    def fixed_charge(self) -> Decimal:
        """Return DAC's charge, which does not depend on use."""
        return to_cents((self.tiers[0].fixed_charge_mxn_month or ZERO) * self.months)

    def lines(self, kwh: int) -> Iterator[Line]:
        """Split kWh over the tiers that they reach; limits hold for one month and are multiplied, never prorated by days."""
        for rate in self.tiers:
            lower = rate.lower_kwh_month * self.months
            if kwh <= lower:
                return
            used = (kwh if rate.upper_kwh_month is None else min(kwh, rate.upper_kwh_month * self.months)) - lower
            amount = to_cents(used * rate.price_mxn_per_kwh)
            yield Line(rate.tier, rate.season, used, rate.price_mxn_per_kwh, amount, rate.month)


class Standing(NamedTuple):
    """Where a use stands: the tier of the next kWh, the kWh left in it and the tier after it (None: it has no end).

    The price is that of a kWh of this tier with tax, unrounded.
    """

    tier: Tier
    kwh_left: int | None
    next_tier: Tier | None
    price_mxn_per_kwh: Decimal


class Biller:
    """The bill of one period as a function of its kWh."""

    def __init__(self, sections: Sequence[Section], terms: Terms) -> None:
        """Take the sections in the order of time."""
        self.terms = terms
        self._sections = sections
        self._days = sum(section.day_count for section in sections)
        self._main = max(range(len(sections)), key=lambda index: (sections[index].day_count, index))
        self._fixed_charge = sum((section.fixed_charge for section in sections), ZERO)
        self._minimum = MINIMUM_KWH_PER_MONTH * terms.billing_months

    @classmethod
    def of_period(cls, start: date, end: date, *, terms: Terms, prices: PriceBook) -> Self:
        """Prepare the bill of the local dates [start, end): `end` is the reading's date, as printed on a paper bill.

        For a cycle that is still running this is what CFE would print if the meter were read now and the cycle kept its dates. Raises
        NoPrices, and ValueError on an empty period.
        """
        if start >= end:
            raise ValueError(f"the period {start}–{end} has no day")
        found: tuple[Stretch, ...] = (Stretch(Season.ALL_YEAR, start, end),)
        if prices.has_seasons:
            found = stretches(start, end, summer_start_month=terms.summer_start_month, billing_months=terms.billing_months)
        if len(found) == 1:
            month = price_month(end, terms.billing_months)
            return cls([_section(found[0].season, month, prices, found[0].day_count, terms.billing_months)], terms)
        # A mixed bill is best estimated as one month of each season, at the prices of the months on both sides of the edge.
        old, new = found
        months = (old.end - DAY).replace(day=1), new.start
        return cls([_section(x.season, month, prices, x.day_count, 1) for x, month in zip(found, months, strict=True)], terms)

    @classmethod
    def of_month(cls, month: date, season: Season, *, terms: Terms, prices: PriceBook) -> Self:
        """Prepare a bill whose price month and season are known. Raises NoPrices."""
        return cls([_section(season, month, prices, 1, terms.billing_months)], terms)

    def bill(self, kwh: int, *, carried: Decimal = ZERO, other: Decimal = ZERO, is_whole: bool = True) -> Bill:
        """Return the bill of so many kWh; while the period still runs (not `is_whole`), without the minimum of energy.

        Raises ValueError on negative kWh, and on carried cents that are not from 0 to 0.99.
        """
        if kwh < 0:
            raise ValueError(f"a bill can't be made of {kwh} kWh")
        if not 0 <= carried < 1:
            raise ValueError(f"{carried} pesos are not what cutting a bill to whole pesos leaves")
        lines = tuple(self._lines(max(kwh, self._minimum) if is_whole else kwh))
        subtotal = sum((line.amount for line in lines), self._fixed_charge)
        iva, dap = to_cents(subtotal * self.terms.iva_rate), self.terms.lighting.on(subtotal)
        discount = min(self.terms.discount.on(subtotal), subtotal + iva + dap)
        total = subtotal + iva + dap - discount + other
        to_pay = int((total + carried) // 1)
        main = self._sections[self._main].tiers[0]
        return Bill(
            kwh,
            lines,
            self._fixed_charge,
            subtotal,
            iva,
            subtotal + iva,
            dap,
            discount,
            other,
            total,
            carried,
            to_pay,
            total + carried - to_pay,
            main.season,
            main.month,
            tuple(self._doubts(lines)),
        )

    def next_kwh_mxn(self, kwh: int) -> Decimal:
        """Return by how much one more kWh raises the bill, in cents; nothing while the minimum is not reached."""
        return self.bill(kwh + 1).grand_total - self.bill(kwh).grand_total

    def kwh_within(self, amount_mxn: Decimal) -> int:
        """Return the most kWh, up to MAX_KWH, whose bill is not above the amount; 0 where even the minimum costs more."""
        most = 1  # where the state pays all of it, no sum is too small
        while most <= MAX_KWH and self.bill(most).grand_total <= amount_mxn:
            most *= 2
        return max(bisect_right(range(min(most, MAX_KWH + 1)), amount_mxn, key=lambda kwh: self.bill(kwh).grand_total) - 1, 0)

    def standing(self, kwh: int) -> Standing:
        """Return where a use stands; of a mixed bill, in the season of most of its days."""
        main, used = self._sections[self._main], list(self._split(kwh))[self._main]
        rates = [x for x in main.tiers if x.upper_kwh_month is None or used < x.upper_kwh_month * main.months]
        upper = rates[0].upper_kwh_month
        left = None if upper is None else (upper * main.months - used) * self._days // main.day_count
        factor = 1 + self.terms.iva_rate + self.terms.lighting.share - self.terms.discount.share
        after = rates[1].tier if len(rates) > 1 else None
        return Standing(rates[0].tier, left, after, rates[0].price_mxn_per_kwh * factor)

    def _split(self, kwh: int) -> Iterator[int]:
        """Yield each section's kWh, by its share of the days; together they are all."""
        days = done = 0
        for section in self._sections:
            days += section.day_count
            reached = (2 * kwh * days + self._days) // (2 * self._days)
            yield reached - done
            done = reached

    def _lines(self, kwh: int) -> Iterator[Line]:
        for section, used in zip(self._sections, self._split(kwh), strict=True):
            yield from section.lines(used)

    def _doubts(self, lines: Sequence[Line]) -> Iterator[Doubt]:
        if len(self._sections) > 1:
            yield Doubt.MIXED_SEASON
        if any(section.tiers[0].month != section.month for section in self._sections):
            yield Doubt.UNKNOWN_MONTH
        derived = {(rate.season, rate.tier) for x in self._sections for rate in x.tiers if rate.provenance == Provenance.DERIVED}
        if any((line.season, line.tier) in derived for line in lines):
            yield Doubt.DERIVED_PRICE


def price_month(end: date, billing_months: int) -> date:
    """Return the first day of the month whose prices a period with this (exclusive) end pays."""
    return (end - DAYS_BEFORE_END[billing_months]).replace(day=1)


def _section(season: Season, month: date, prices: PriceBook, day_count: int, months: int) -> Section:
    return Section(day_count, months, month, prices.tiers(season, prices.known_month(season, month)))
