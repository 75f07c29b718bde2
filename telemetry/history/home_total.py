"""A home's total, hour by hour: that of its mains where it is known, else that of its circuits."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from devices.meter_roles import Role
from telemetry.history import sql
from telemetry.history.window import DAY, Window, local_midnight

TABLES = {"5m": "telemetry_bucket_5m", "1h": "telemetry_bucket_1h", "1d": "telemetry_bucket_1h"}
UNKNOWN = (0.0, 0.0, 0.0)


class HourOfHome(NamedTuple):
    """What a home is known to have drawn from the grid and returned to it in the hour from `start` (in its own time), Wh.

    `known_share` (0 to 1) says how much of it that is: of the time, each circuit weighed by its mean power.
    """

    start: datetime
    wh: float
    known_share: float
    returned_wh: float = 0.0


class DayOfHome(NamedTuple):
    """What a home is known to have drawn on a local date, Wh, and of which share (0 to 1) of the day that is known."""

    date: date
    wh: float
    known_share: float


def counted_buckets(roles: Sequence[Role], resolution: str, start: datetime, end: datetime) -> tuple[str, dict[str, Any]]:
    """Return what stands in a FROM for the buckets of [start, end) that make the total, with `is_main`, and its parameters.

    Where nothing was ever the mains, every bucket does.
    """
    parameters = {
        "device_ids": [role.device_id for role in roles],
        "mains": [role.is_main for role in roles],
        "since": [role.since for role in roles],
        "until": [role.until for role in roles],
        "start": start,
        "end": end,
    }
    mains = {role.device_id for role in roles if role.is_main}
    if not mains:
        return sql.CIRCUITS.format(table=TABLES[resolution]), parameters
    complete = sql.ALL_MAINS_ARE_THERE if len(mains) > 1 else "true"
    return sql.MAINS_OR_CIRCUITS.format(table=TABLES[resolution], complete=complete), parameters


def home_hours(roles: Sequence[Role], start: datetime, end: datetime, zone: ZoneInfo) -> list[HourOfHome]:
    """Return every hour of [start, end), whose ends are whole hours, of what measures a home (1 query)."""
    buckets, parameters = counted_buckets(roles, "1h", start, end)
    with connection.cursor() as cursor:
        cursor.execute(sql.HOME_HOURS.format(counted=buckets), parameters)
        found = {at.timestamp(): (wh, known or 0.0, returned) for at, wh, known, returned in cursor.fetchall()}
    hours = []
    for hour in Window(start, end, "1h", zone).steps():
        wh, known_share, returned_wh = found.get(hour.timestamp(), UNKNOWN)
        hours.append(HourOfHome(hour, wh, known_share, returned_wh))
    return hours


def home_days(roles: Sequence[Role], first: date, end: date, zone: ZoneInfo) -> list[DayOfHome]:
    """Return every local date of [first, end) of what measures a home (1 query)."""
    edges = [local_midnight(first + day * DAY, zone) for day in range((end - first).days + 1)]
    buckets, parameters = counted_buckets(roles, "1h", edges[0], edges[-1])
    with connection.cursor() as cursor:
        cursor.execute(sql.HOME_DAYS.format(counted=buckets), parameters | {"zone": zone.key})
        found = {day: (wh, known_hours or 0.0) for day, wh, known_hours in cursor.fetchall()}
    days = []
    for start, after in pairwise(edges):
        wh, known_hours = found.get(start.date(), (0.0, 0.0))
        hours = (after.timestamp() - start.timestamp()) / 3600
        days.append(DayOfHome(start.date(), wh, min(known_hours / hours, 1.0)))
    return days
