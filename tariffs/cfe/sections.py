"""The parts of a bill: one, or the two seasons of a mixed bill; which prices each pays, and how its kWh fall into tiers. Pure."""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from tariffs.cfe.bill import Line, Terms, to_cents
from tariffs.cfe.prices import PriceBook, Rate
from tariffs.cfe.schemes import SchemeTerms
from tariffs.cfe.seasons import DAY, Summer, stretches
from tariffs.cfe.tariffs import MINIMUM_KWH_PER_MONTH, Season

# The price month is the one that holds the day this long before the period's end, by the months of the period. The bimonthly
# rule is confirmed by bills, the monthly one is only cited.
DAYS_BEFORE_END = {1: timedelta(days=15), 2: timedelta(days=30)}


class Section(NamedTuple):
    """A part of a bill with one season: how many months of tiers it gets, the month whose prices it should pay and its prices.

    The months are the fraction `months / over`: of a mixed bill the season's days over those of its month at the edge.
    """

    months: int
    over: int
    month: date
    tiers: Sequence[Rate]

    def lines(self, kwh: int, *, is_whole: bool = True) -> Iterator[Line]:
        """Split kWh, or the minimum if that is more, over the tiers that they reach; limits are those of a month times the months."""
        parts = kwh * self.over
        if is_whole:
            parts = max(parts, MINIMUM_KWH_PER_MONTH * self.months)
        for rate in self.tiers:
            lower = rate.lower_kwh_month * self.months
            if parts <= lower:
                return
            used = (parts if rate.upper_kwh_month is None else min(parts, rate.upper_kwh_month * self.months)) - lower
            amount = used * rate.price_mxn_per_kwh
            if self.over == 1:
                yield Line(rate.tier, rate.season, used, rate.price_mxn_per_kwh, to_cents(amount), rate.month)
            else:  # the exact product is divided, for a limit that was rounded before could move half a cent
                yield Line(
                    rate.tier,
                    rate.season,
                    Decimal(used) / self.over,
                    rate.price_mxn_per_kwh,
                    to_cents(amount / self.over),
                    rate.month,
                )

    def tiers_from(self, kwh: int) -> list[Rate]:
        """Return the tier of the next kWh and those after it; a kWh that is split between two stands in the second."""
        return [rate for rate in self.tiers if rate.upper_kwh_month is None or kwh < self.limit_kwh(rate.upper_kwh_month)]

    def under(self, scheme: SchemeTerms) -> "Section":
        """Return the section with the limits of a state's scheme."""
        return self._replace(tiers=scheme.tiers(self.tiers))

    def limit_kwh(self, kwh_month: int) -> int:
        """Return the whole kWh below a limit."""
        return kwh_month * self.months // self.over


def price_month(end: date, billing_months: int) -> date:
    """Return the first day of the month whose prices a period with this (exclusive) end pays."""
    return (end - DAYS_BEFORE_END[billing_months]).replace(day=1)


def sections_of(start: date, end: date, summer: Summer, terms: Terms, prices: PriceBook) -> list[Section]:
    """Return the parts of the bill of [start, end).

    Each season of a mixed one is priced by its own month at the edge, and its days are so many months as they are of that one.
    """
    month = price_month(end, terms.billing_months)
    if not prices.has_seasons:
        return [section_of(Season.ALL_YEAR, month, prices, terms.billing_months, 1)]
    found = stretches(start, end, summer=summer, billing_months=terms.billing_months)
    if len(found) == 1:
        return [section_of(found[0].season, month, prices, terms.billing_months, 1)]
    months = (found[0].end - DAY).replace(day=1), found[1].start
    return [
        section_of(part.season, month, prices, part.day_count, monthrange(month.year, month.month)[1])
        for part, month in zip(found, months, strict=True)
    ]


def section_of(season: Season, month: date, prices: PriceBook, months: int, over: int) -> Section:
    """Return a part of so many months, `months / over`, at the prices of a month or the last known before it. Raises NoPrices."""
    return Section(months, over, month, prices.tiers(season, prices.known_month(season, month)))
