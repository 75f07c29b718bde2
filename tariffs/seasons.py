"""Summer and the rest of the year, as a bill sees them. Pure."""

from datetime import date, timedelta
from typing import NamedTuple

from tariffs.constants import Season

SUMMER_MONTHS = 6
# Up to this many days in the new season a bill stays in the old one …
DAYS_THAT_KEEP_THE_OLD_SEASON = 15
# … and above this many a bimonthly bill is all in the new one; between them it is mixed.
DAYS_THAT_END_A_MIXED_BILL = 45


class BillSeason(NamedTuple):
    """The season of a whole bill; `is_mixed` where CFE would bill a part of it by the other one."""

    season: Season
    is_mixed: bool = False


def season_on(day: date, summer_start_month: int) -> Season:
    """Return the season of a date: summer is six months long and starts in the given month (2–5, by locality)."""
    return Season.SUMMER if (day.month - summer_start_month) % 12 < SUMMER_MONTHS else Season.NOT_SUMMER


def _edge_before(day: date, summer_start_month: int) -> date:
    """Return the first day of the season that the date is in."""
    months_in = (day.month - summer_start_month) % SUMMER_MONTHS
    index = day.year * 12 + day.month - 1 - months_in
    return date(index // 12, index % 12 + 1, 1)


def season_of_period(start: date, end: date, *, summer_start_month: int, billing_months: int) -> BillSeason:
    """Return the season that the bill of [start, end) is made in.

    A bimonthly bill with 16 to 45 days in the new season is mixed: it gets the season of most of its days.
    """
    last = end - timedelta(days=1)
    old, new = season_on(start, summer_start_month), season_on(last, summer_start_month)
    if old == new:
        return BillSeason(new)
    days = (end - _edge_before(last, summer_start_month)).days
    if days <= DAYS_THAT_KEEP_THE_OLD_SEASON:
        return BillSeason(old)
    if billing_months == 1 or days > DAYS_THAT_END_A_MIXED_BILL:
        return BillSeason(new)
    return BillSeason(new if 2 * days > (end - start).days else old, is_mixed=True)
