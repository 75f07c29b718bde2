"""A home's energy hour by hour, and which hours of it are known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from telemetry.history import Window

HOUR = timedelta(hours=1)
KNOWN_S = 3_240  # nine tenths of an hour

# The Wh that circuits used in each hour, and whether every circuit that has been heard of before and after is known: covered, or
# counted across a gap (flag 1, which old hours don't have, or its energy). Parameters: seconds that make an hour known, device_id[],
# start, end.
HOME_HOURS = """
WITH bucket AS (
    SELECT device_id, channel, start, measured_wh + recovered_wh AS wh,
        covered_s >= %s OR flags & 1 <> 0 OR recovered_wh <> 0 AS is_known
    FROM telemetry_bucket_1h WHERE device_id = ANY(%s) AND start >= %s AND start < %s
), life AS (
    SELECT min(start) AS first, max(start) AS last FROM bucket GROUP BY device_id, channel
)
SELECT start, sum(wh), count(*) FILTER (WHERE is_known) = (SELECT count(*) FROM life WHERE b.start BETWEEN first AND last)
FROM bucket b GROUP BY start
"""


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
