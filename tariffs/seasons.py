"""Summer and the rest of the year, as a bill sees them. Pure."""

from datetime import date, timedelta
from typing import NamedTuple

from tariffs.constants import Season

SUMMER_MONTHS = 6
# Up to this many days in the new season a bill stays in the old one …
DAYS_THAT_KEEP_THE_OLD_SEASON = 15
# … and above this many a bimonthly bill is all in the new one; between them it is mixed.
DAYS_THAT_END_A_MIXED_BILL = 45
DAY = timedelta(days=1)


class Stretch(NamedTuple):
    """Dates [start, end) that a bill counts as one season."""

    season: Season
    start: date
    end: date

    @property
    def day_count(self) -> int:
        """Return how many days the stretch has."""
        return (self.end - self.start).days


def season_on(day: date, summer_start_month: int) -> Season:
    """Return the season of a date: summer is six months long and starts in the given month (2–5, by locality)."""
    return Season.SUMMER if (day.month - summer_start_month) % 12 < SUMMER_MONTHS else Season.NOT_SUMMER


def _edge_before(day: date, summer_start_month: int) -> date:
    """Return the first day of the season that the date is in."""
    months_in = (day.month - summer_start_month) % SUMMER_MONTHS
    index = day.year * 12 + day.month - 1 - months_in
    return date(index // 12, index % 12 + 1, 1)


def stretches(start: date, end: date, *, summer_start_month: int, billing_months: int) -> tuple[Stretch, ...]:
    """Return the seasons that the bill of [start, end) is made in: one, or for a mixed bill the old and the new one.

    A bimonthly bill with 16 to 45 days in the new season is mixed; every other bill has one season for all of its days.
    """
    last = end - DAY
    old, new = season_on(start, summer_start_month), season_on(last, summer_start_month)
    if old == new:
        return (Stretch(new, start, end),)
    edge = _edge_before(last, summer_start_month)
    days = (end - edge).days
    if days <= DAYS_THAT_KEEP_THE_OLD_SEASON:
        return (Stretch(old, start, end),)
    if billing_months == 1 or days > DAYS_THAT_END_A_MIXED_BILL:
        return (Stretch(new, start, end),)
    return Stretch(old, start, edge), Stretch(new, edge, end)
