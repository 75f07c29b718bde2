"""A home's energy hour by hour, and how much of it is known."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from devices.meter_roles import Role
from telemetry.history.completeness_sql import HOME_DAYS, HOME_HOURS
from telemetry.history.home_buckets import counted
from telemetry.history.window import Window, local_midnight

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class HourOfHome(NamedTuple):
    """What a home is known to have drawn from the grid and returned to it in the hour from `start` (in its own time), Wh.

    `known_share` (0 to 1) says how much of it that is: of the time, each circuit weighed by its mean power.
    """

    start: datetime
    wh: float
    known_share: float
    returned_wh: float = 0.0


def home_hours(roles: Sequence[Role], start: datetime, end: datetime, zone: ZoneInfo) -> list[HourOfHome]:
    """Return every hour of [start, end), whose ends are whole hours, of what measures a home (1 query)."""
    buckets, parameters = counted(roles, "1h", start, end)
    with connection.cursor() as cursor:
        cursor.execute(HOME_HOURS.format(counted=buckets), parameters)
        found = {at.timestamp(): (wh, known or 0.0, returned) for at, wh, known, returned in cursor.fetchall()}
    hours = Window(start, end, "1h", zone).steps()
    return [HourOfHome(hour, *found.get(hour.timestamp(), (0.0, 0.0))) for hour in hours]


class DayOfHome(NamedTuple):
    """What a home is known to have drawn on a local date, Wh, and of which share (0 to 1) of the day that is known."""

    date: date
    wh: float
    known_share: float


def home_days(roles: Sequence[Role], first: date, end: date, zone: ZoneInfo) -> list[DayOfHome]:
    """Return every local date of [first, end) of what measures a home (1 query)."""
    edges = [local_midnight(first + day * DAY, zone) for day in range((end - first).days + 1)]
    buckets, parameters = counted(roles, "1h", edges[0], edges[-1])
    with connection.cursor() as cursor:
        cursor.execute(HOME_DAYS.format(counted=buckets), parameters | {"zone": zone.key})
        found = {day: (wh, known or 0.0) for day, wh, known in cursor.fetchall()}
    days = []
    for start, after in pairwise(edges):
        wh, known = found.get(start.date(), (0.0, 0.0))
        days.append(DayOfHome(start.date(), wh, min(known / ((after.timestamp() - start.timestamp()) / 3600), 1.0)))
    return days


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour that the moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
