"""The seasons of a bill, or the two of a mixed one: whose days they have, which prices each pays, and how its kWh fall into tiers. Pure.

CFE counts the days of a period without its first date and with its last: the reading that starts it belongs to the bill before.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from tariffs.cfe.bill import Line, Terms, to_cents
from tariffs.cfe.prices import PriceBook, Rate
from tariffs.cfe.schemes import SchemeTerms
from tariffs.cfe.tariffs import MINIMUM_KWH_PER_MONTH, Season, Summer

# Up to this many days in the new season a bill stays in the old one …
DAYS_THAT_KEEP_THE_OLD_SEASON = 15
# … and above this many a bimonthly bill is all in the new one; between them it is mixed.
DAYS_THAT_END_A_MIXED_BILL = 45
DAY = timedelta(days=1)

# The price month is the one that holds the day this long before the period's end, by the months of the period. The bimonthly
# rule is confirmed by bills, the monthly one is only cited.
DAYS_BEFORE_END = {1: timedelta(days=15), 2: timedelta(days=30)}


class SeasonDays(NamedTuple):
    """Dates [start, end) that a bill counts as one season."""

    season: Season
    start: date
    end: date

    @property
    def day_count(self) -> int:
        return (self.end - self.start).days


def season_on(day: date, summer: Summer) -> Season:
    return Season.SUMMER if (day.month - summer.first_month) % 12 < summer.months else Season.NOT_SUMMER


def _edge_before(day: date, summer: Summer) -> date:
    """Return the first day of the season that the date is in."""
    months_in = (day.month - summer.first_month) % 12
    if months_in >= summer.months:
        months_in -= summer.months
    index = day.year * 12 + day.month - 1 - months_in
    return date(index // 12, index % 12 + 1, 1)


def seasons_of_bill(start: date, end: date, *, summer: Summer, billing_months: int) -> tuple[SeasonDays, ...]:
    """Return the seasons that the bill read on these two dates is made in: one, or for a mixed bill the old and the new one.

    A bimonthly bill with 16 to 45 days in the new season is mixed; every other bill has one season for all of its days.
    """
    first, after = start + DAY, end + DAY
    old, new = season_on(first, summer), season_on(end, summer)
    if old == new:
        return (SeasonDays(new, first, after),)
    edge = _edge_before(end, summer)
    days = (after - edge).days
    if days <= DAYS_THAT_KEEP_THE_OLD_SEASON:
        return (SeasonDays(old, first, after),)
    if billing_months == 1 or days > DAYS_THAT_END_A_MIXED_BILL:
        return (SeasonDays(new, first, after),)
    return SeasonDays(old, first, edge), SeasonDays(new, edge, after)


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
    found = seasons_of_bill(start, end, summer=summer, billing_months=terms.billing_months)
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
