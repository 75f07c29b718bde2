"""Summer and the rest of the year, as a bill sees them. Pure.

CFE counts the days of a period without its first date and with its last: the reading that starts it belongs to the bill before.
"""

from datetime import date, timedelta
from typing import NamedTuple

from tariffs.cfe.tariffs import Season

# Up to this many days in the new season a bill stays in the old one …
DAYS_THAT_KEEP_THE_OLD_SEASON = 15
# … and above this many a bimonthly bill is all in the new one; between them it is mixed.
DAYS_THAT_END_A_MIXED_BILL = 45
DAY = timedelta(days=1)


class Summer(NamedTuple):
    """The months that a tariff counts as summer, from `first_month` (1–12) on, over the new year where they reach it."""

    first_month: int
    months: int = 6


class Stretch(NamedTuple):
    """Dates [start, end) that a bill counts as one season."""

    season: Season
    start: date
    end: date

    @property
    def day_count(self) -> int:
        """Return how many days the stretch has."""
        return (self.end - self.start).days


def season_on(day: date, summer: Summer) -> Season:
    """Return the season of a date."""
    return Season.SUMMER if (day.month - summer.first_month) % 12 < summer.months else Season.NOT_SUMMER


def _edge_before(day: date, summer: Summer) -> date:
    """Return the first day of the season that the date is in."""
    months_in = (day.month - summer.first_month) % 12
    if months_in >= summer.months:
        months_in -= summer.months
    index = day.year * 12 + day.month - 1 - months_in
    return date(index // 12, index % 12 + 1, 1)


def stretches(start: date, end: date, *, summer: Summer, billing_months: int) -> tuple[Stretch, ...]:
    """Return the seasons that the bill read on these two dates is made in: one, or for a mixed bill the old and the new one.

    A bimonthly bill with 16 to 45 days in the new season is mixed; every other bill has one season for all of its days.
    """
    first, after = start + DAY, end + DAY
    old, new = season_on(first, summer), season_on(end, summer)
    if old == new:
        return (Stretch(new, first, after),)
    edge = _edge_before(end, summer)
    days = (after - edge).days
    if days <= DAYS_THAT_KEEP_THE_OLD_SEASON:
        return (Stretch(old, first, after),)
    if billing_months == 1 or days > DAYS_THAT_END_A_MIXED_BILL:
        return (Stretch(new, first, after),)
    return Stretch(old, first, edge), Stretch(new, edge, after)
