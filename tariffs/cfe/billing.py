"""CFE's residential bill. Pure: the rules stand here, the prices are handed in, and there is no clock.

kWh are whole numbers, money is Decimal pesos, every rounding is half up to the cent but the last: what is to be paid is cut to pesos.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Self

from tariffs.cfe.bill import ESTIMATES, IVA, ZERO, Bill, Doubt, Line, Terms, to_cents
from tariffs.cfe.prices import PriceBook, Rate
from tariffs.cfe.schemes import SchemeTerms
from tariffs.cfe.seasons import Section, section_of, sections_of
from tariffs.cfe.tariffs import MAX_KWH, Provenance, Season, Summer, Tier


class TierPosition(NamedTuple):
    """Where a use stands: the tier of the next kWh, the kWh left in it and the tier after it (None: it has no end).

    In a mixed bill a kWh is shared by both seasons: the tier is the one that ends first. The price is that of the next kWh with tax,
    unrounded; in a mixed bill the mean of both seasons' by their days.
    """

    tier: Tier
    kwh_left: int | None
    next_tier: Tier | None
    price_mxn_per_kwh: Decimal


class Biller:
    """The bill of one period as a function of its kWh."""

    def __init__(self, sections: Sequence[Section], terms: Terms, *doubts: Doubt) -> None:
        """Take the one section, or the two of a mixed bill in the order of time, and what is doubtful about them."""
        self.terms = terms
        self._sections = sections
        self._estimating = [doubt for doubt in doubts if doubt in ESTIMATES] if doubts else ()
        self._provisional = [doubt for doubt in doubts if doubt not in ESTIMATES] if doubts else ()
        self._days = sum(section.months for section in sections)
        self._main = 0 if sections[0].months > sections[-1].months else len(sections) - 1
        charges = sum((section.tiers[0].fixed_charge_mxn_month or ZERO for section in sections), ZERO)
        self._fixed_charge = to_cents(charges * (terms.billing_months // len(sections)))

    @classmethod
    def of_period(cls, start: date, end: date, *, terms: Terms, prices: PriceBook) -> Self:
        """Prepare the bill of the local dates [start, end): `end` is the reading's date, as printed on a paper bill.

        For a cycle that is still running this is what CFE would print if the meter were read now and the cycle kept its dates. Raises
        NoPrices, and ValueError on an empty period.
        """
        if start >= end:
            raise ValueError(f"the period {start}–{end} has no day")
        usual, scheme = sections_of(start, end, Summer(terms.summer_start_month), terms, prices), prices.scheme_on(end)
        # Nobody has seen a monthly bill that shows the day of its price month, and without a reading the period itself may be another.
        doubts = (
            [Doubt.MONTHLY_PRICE_MONTH]
            if terms.billing_months == 1
            else []
            if terms.is_reading_known
            else [Doubt.UNKNOWN_READING]
        )
        if scheme is None:
            return cls(usual, terms, *doubts)
        sections = [section.under(scheme) for section in sections_of(start, end, scheme.summer, terms, prices)]
        return cls(sections, terms, *_doubts_of_scheme(scheme, usual, sections), *doubts)

    @classmethod
    def of_month(cls, month: date, season: Season, *, terms: Terms, prices: PriceBook) -> Self:
        """Prepare a bill whose price month and season are known. Raises NoPrices."""
        usual, scheme = [section_of(season, month, prices, terms.billing_months, 1)], prices.scheme_on(month)
        if scheme is None:
            return cls(usual, terms)
        sections = [section.under(scheme) for section in usual]
        return cls(sections, terms, *_doubts_of_scheme(scheme, usual, sections))

    def bill(self, kwh: int, *, carried: Decimal = ZERO, other: Decimal = ZERO, is_whole: bool = True) -> Bill:
        """Return the bill of so many kWh; while the period still runs (not `is_whole`), without the minimum of energy.

        Raises ValueError on negative kWh, and on carried cents that are not from 0 to 0.99.
        """
        if kwh < 0:
            raise ValueError(f"a bill can't be made of {kwh} kWh")
        if not 0 <= carried < 1:
            raise ValueError(f"{carried} pesos are not what cutting a bill to whole pesos leaves")
        lines = tuple(self._lines(kwh, is_whole=is_whole))
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

    def amounts_mxn(self, kwh: int) -> tuple[Decimal, Decimal]:
        """Return what so many kWh would cost if all were of the cheapest tier, without lighting, and of the dearest, without discount."""
        prices = [rate.price_mxn_per_kwh for section in self._sections for rate in section.tiers]
        iva, lighting, discount = self.terms.iva_rate, self.terms.lighting, self.terms.discount
        least = kwh * min(prices) * (1 + iva - discount.share) - discount.sum_mxn
        most = kwh * max(prices) * (1 + iva + lighting.share) + lighting.sum_mxn
        return max(least, ZERO), max(most, self.bill(kwh).grand_total)

    def next_kwh_mxn(self, kwh: int) -> Decimal:
        """Return by how much one more kWh raises the bill, in cents; nothing while the minimum is not reached."""
        return self.bill(kwh + 1).grand_total - self.bill(kwh).grand_total

    def kwh_within(self, amount_mxn: Decimal) -> int:
        """Return the most kWh, up to MAX_KWH, whose bill is not above the amount; 0 where even the minimum costs more."""
        most = 1  # where the state pays all of it, no sum is too small
        while most <= MAX_KWH and self.bill(most).grand_total <= amount_mxn:
            most *= 2
        return max(bisect_right(range(min(most, MAX_KWH + 1)), amount_mxn, key=lambda kwh: self.bill(kwh).grand_total) - 1, 0)

    def position(self, kwh: int) -> TierPosition:
        """Return where a use stands: the kWh left are those until any season's price changes."""
        found = [section.tiers_from(used) for section, used in zip(self._sections, self._split(kwh), strict=True)]
        ends = [(self._end_of(index, rates[0], kwh), index) for index, rates in enumerate(found) if len(rates) > 1]
        end, index = min(ends, default=(None, self._main))
        price = sum((rates[0].price_mxn_per_kwh * each.months for rates, each in zip(found, self._sections, strict=True)), ZERO)
        factor = 1 + self.terms.iva_rate + self.terms.lighting.share - self.terms.discount.share
        after = None if end is None else found[index][1].tier
        return TierPosition(found[index][0].tier, None if end is None else end - kwh, after, price * factor / self._days)

    def _end_of(self, index: int, rate: Rate, kwh: int) -> int:
        """Return the most kWh, from so many on, that leave a section in a tier which has an end."""
        section = self._sections[index]
        limit = section.limit_kwh(rate.upper_kwh_month or 0)
        beyond = (limit + 1) * self._days // section.months + 2
        return bisect_right(range(beyond), limit, lo=kwh, key=lambda each: self._split(each)[index]) - 1

    def _split(self, kwh: int) -> list[int]:
        """Return each section's kWh, by its share of the days; together they are all."""
        if len(self._sections) == 1:
            return [kwh]
        old = (2 * kwh * self._sections[0].months + self._days) // (2 * self._days)
        return [old, kwh - old]

    def _lines(self, kwh: int, *, is_whole: bool) -> Iterator[Line]:
        for section, used in zip(self._sections, self._split(kwh), strict=True):
            yield from section.lines(used, is_whole=is_whole)

    def _doubts(self, lines: Sequence[Line]) -> Iterator[Doubt]:
        if len(self._sections) > 1:
            yield Doubt.MIXED_SEASON
        yield from self._estimating
        if any(section.tiers[0].month != section.month for section in self._sections):
            yield Doubt.UNKNOWN_MONTH
        derived = {(rate.season, rate.tier) for x in self._sections for rate in x.tiers if rate.provenance == Provenance.DERIVED}
        if any((line.season, line.tier) in derived for line in lines):
            yield Doubt.DERIVED_PRICE
        yield from self._provisional
        if self.terms.iva_rate != IVA:
            yield Doubt.UNUSUAL_IVA


def _doubts_of_scheme(scheme: SchemeTerms, usual: list[Section], sections: list[Section]) -> list[Doubt]:
    """Return the doubt of a scheme that no bill has confirmed, where it changes anything."""
    return [] if scheme.is_confirmed or sections == usual else [Doubt.STATE_SCHEME]
