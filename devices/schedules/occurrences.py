"""When a local time comes on chosen weekdays, with daylight saving right. Pure."""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def occurrences(at: time, weekdays: Collection[int], zone: ZoneInfo, *, after: datetime) -> Iterator[datetime]:
    """Yield the moments (UTC) after another one at which it is the time on one of the ISO weekdays, for as long as they are asked for."""
    day = after.astimezone(zone).date() - timedelta(days=1)  # a gap may move a time past midnight
    while True:
        if day.isoweekday() in weekdays and (moment := moment_of(day, at, zone)) > after:
            yield moment
        day += timedelta(days=1)


def moment_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the moment (UTC) of a local time: the first of two, and for one that the clock leaves out the first after the gap."""
    local = datetime.combine(day, at.replace(fold=0), zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    earlier = local.replace(fold=1).astimezone(UTC)  # by the offset after the gap, so before it

    def offset(seconds: int) -> timedelta:
        return (earlier + timedelta(seconds=seconds)).astimezone(zone).utcoffset() or timedelta()

    gap_s = int((moment - earlier).total_seconds())
    return earlier + timedelta(seconds=bisect_left(range(gap_s), offset(gap_s), key=offset))
