"""When a Shelly's own schedule runs: a local time in its cron format.

A time has six fields: second, minute, hour, day of the month, month, weekday. Each is `*`, or a list of numbers, names (`SUN`, `JAN`),
ranges (`1-5`) and steps (`*/15`). Source: the maker's description of the Schedule service. Sunrise and sunset are not simulated.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
NAMES = {name: number for number, name in enumerate(WEEKDAYS)} | {name: number for number, name in enumerate(MONTHS, 1)}
BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
LONGEST_WAIT_DAYS = 4 * 366 + 1  # the 29th of February


class Timespec(NamedTuple):
    """When a job runs: the allowed numbers of each field. Sunday is 0."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        fields = text.split()
        if len(fields) != len(BOUNDS):
            raise ValueError(text)
        return cls(*(frozenset(_numbers(field, *bounds)) for field, bounds in zip(fields, BOUNDS, strict=True)))

    def next_after(self, moment: float, zone: ZoneInfo) -> float | None:
        """Return the next time after the given one, both seconds since the epoch; None where there is none.

        A local time that the change of the clock leaves out is skipped; of one that comes twice the first counts.
        """
        now = datetime.fromtimestamp(moment, zone)
        for offset in range(LONGEST_WAIT_DAYS):
            day = now.date() + timedelta(days=offset)
            times = self._times_of(day, time.min if offset else now.time(), zone)
            if found := next((one for one in times if one > moment), None):
                return found
        return None

    def _times_of(self, day: date, earliest: time, zone: ZoneInfo) -> Iterator[float]:
        if day.day not in self.days or day.month not in self.months or day.isoweekday() % 7 not in self.weekdays:
            return
        for hour in sorted(one for one in self.hours if one >= earliest.hour):
            for minute in sorted(one for one in self.minutes if (hour, one) >= (earliest.hour, earliest.minute)):
                for second in sorted(self.seconds):
                    local = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone)
                    if local.astimezone(UTC).astimezone(zone).hour == hour:
                        yield local.timestamp()


def _numbers(field: str, low: int, high: int) -> Iterator[int]:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("*", "", "") if span == "*" else span.partition("-")
        start = low if first == "*" else _number(first)
        end = high if first == "*" else _number(last or first)
        if not low <= start <= end <= high:
            raise ValueError(field)
        yield from range(start, end + 1, _number(step) if step else 1)


def _number(text: str) -> int:
    """Read a number or a name; leading zeros are not supported by the device either."""
    if text.upper() in NAMES:
        return NAMES[text.upper()]
    if not text.isdecimal() or (text[0] == "0" and len(text) > 1):
        raise ValueError(text)
    return int(text)
