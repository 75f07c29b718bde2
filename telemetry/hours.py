"""A home's energy hour by hour, and which hours of it are known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from telemetry.coverage_sql import HOME_HOURS
from telemetry.history import Window

HOUR = timedelta(hours=1)
KNOWN_S = 3_240  # nine tenths of an hour


class HourOfHome(NamedTuple):
    """What a home drew in the hour from `start` (in its own time), Wh; not all of it, where the hour is not known."""

    start: datetime
    wh: float
    is_known: bool


def home_hours(devices: Sequence[int], start: datetime, end: datetime, zone: ZoneInfo) -> list[HourOfHome]:
    """Return every hour of [start, end), whose ends are whole hours, of the devices that make a home's total (1 query)."""
    with connection.cursor() as cursor:
        cursor.execute(HOME_HOURS, [KNOWN_S, list(devices), start, end])
        found = {at.timestamp(): (wh, is_known) for at, wh, is_known in cursor.fetchall()}
    hours = Window(start, end, "1h", zone).steps()
    return [HourOfHome(hour, *found.get(hour.timestamp(), (0.0, False))) for hour in hours]


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour that the moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
