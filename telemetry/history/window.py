"""Times that are asked about: windows cut into steps, local days, whole hours."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from telemetry.constants import BUCKET

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RESOLUTIONS = {"5m": BUCKET, "1h": HOUR, "1d": DAY}
PERIODS = {"daily": ("1h", 24), "weekly": ("1d", 7), "monthly": ("1d", 30)}


class Window(NamedTuple):
    """A span of time [start, end), cut into steps of the resolution; days are those of the zone, 23 to 25 hours long."""

    start: datetime
    end: datetime
    resolution: str
    zone: ZoneInfo

    def steps(self) -> Iterator[datetime]:
        """Yield the start of each step, in the zone's own time."""
        if self.resolution == "1d":
            day = self.start.astimezone(self.zone).date()
            while (midnight := local_midnight(day, self.zone)) < self.end:
                yield midnight
                day += DAY
        else:
            step, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
            while step < end:
                yield step.astimezone(self.zone)
                step += RESOLUTIONS[self.resolution]

    def label(self, step: datetime) -> datetime:
        """Return the time that names a step: its start, for a whole day its local noon, which is that day on any phone in America."""
        return step.replace(hour=12) if self.resolution == "1d" else step

    def step_count(self) -> int:
        """Return about how many steps there are, without making them."""
        return int((self.end - self.start) / RESOLUTIONS[self.resolution]) + 1


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of the day in the zone, with its offset."""
    return datetime.combine(day, time(), zone)


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour that the moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def instant(moment: datetime | date, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """Return the instant that a moment names: a date is its first instant in the zone, as an end that of the day after."""
    if isinstance(moment, datetime):
        return moment
    return local_midnight(moment + DAY if end else moment, zone)


def period_window(period: str, now: datetime, zone: ZoneInfo) -> Window:
    """Return the window of `daily`, `weekly` or `monthly`: its last step is the one that `now` lies in."""
    resolution, steps = PERIODS[period]
    if resolution == "1d":
        return days_window(steps, now, zone)
    end = hour_of(now.astimezone(UTC)) + HOUR
    return Window(end - steps * RESOLUTIONS[resolution], end, resolution, zone)


def days_window(days: int, now: datetime, zone: ZoneInfo) -> Window:
    """Return the last `days` local days, today included."""
    today = now.astimezone(zone).date()
    first, after = today - timedelta(days=days - 1), today + DAY
    return Window(local_midnight(first, zone), local_midnight(after, zone), "1d", zone)


def floored(at: datetime, resolution: str, zone: ZoneInfo) -> datetime:
    """Return the start of the step that the time lies in."""
    if resolution == "1d":
        return local_midnight(at.astimezone(zone).date(), zone)
    width = RESOLUTIONS[resolution].total_seconds()
    return datetime.fromtimestamp(at.timestamp() // width * width, UTC)
