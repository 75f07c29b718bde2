"""A home's energy hour by hour, and how much of it is known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from telemetry.coverage_sql import HOME_HOURS
from telemetry.history import Window

HOUR = timedelta(hours=1)


class HourOfHome(NamedTuple):
    """What a home is known to have drawn in the hour from `start` (in its own time), Wh.

    `known_share` (0 to 1) says how much of it that is: of the time, each circuit weighed by its mean power.
    """

    start: datetime
    wh: float
    known_share: float


def home_hours(devices: Sequence[int], start: datetime, end: datetime, zone: ZoneInfo) -> list[HourOfHome]:
    """Return every hour of [start, end), whose ends are whole hours, of the devices that make a home's total (1 query)."""
    with connection.cursor() as cursor:
        cursor.execute(HOME_HOURS, [list(devices), start, end])
        found = {at.timestamp(): (wh, known or 0.0) for at, wh, known in cursor.fetchall()}
    hours = Window(start, end, "1h", zone).steps()
    return [HourOfHome(hour, *found.get(hour.timestamp(), (0.0, 0.0))) for hour in hours]


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour that the moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
