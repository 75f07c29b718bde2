"""Every write to readings and buckets but the hot path, which is `telemetry.writer`."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter

from django.db import connection
from django.utils import timezone

from telemetry import rollup_sql, sql
from telemetry.constants import BUCKET
from telemetry.kinds import CHANNELS
from telemetry.models import Series
from telemetry.partitions import horizon
from telemetry.rollups import rebuild
from telemetry.rows import columns
from telemetry.samples import Sample
from telemetry.spans import Change, floor

STORE_BATCH = 5_000


def readings_store(readings: Iterable[tuple[int, Sample]]) -> int:
    """Store samples, each with a time, under device ids; return how many were new.

    Any time is taken as it is, unlike on the way in from devices; times before the retention are dropped by the next upkeep.
    """
    rest = iter(readings)
    new = 0
    while batch := list(islice(rest, STORE_BATCH)):
        with connection.cursor() as cursor:
            cursor.execute(sql.STORE_BY_ID, columns(batch))
            new += cursor.fetchone()[0]  # the same in each row
    return new


def rollup_rebuild(
    *,
    device_ids: Sequence[int] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> int:
    """Recompute the buckets of [start, end) (None: as far as readings go) from readings; return how many spans were computed."""
    changes = rollup_changes(device_ids=device_ids, start=start, end=end)
    return sum(spans for _changes, spans in rollup_changes_rebuild(changes=changes))


def rollup_changes(
    *, device_ids: Sequence[int] | None = None, start: datetime | None = None, end: datetime | None = None
) -> list[Change]:
    """Return [start, end) of each channel, cut into days at most, to be rebuilt; nothing from before the readings' time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now = cursor.fetchone()[0]
    series = Series.objects.order_by("device_id", "channel")
    if device_ids is not None:
        series = series.filter(device_id__in=device_ids)
    first, last = max(start or horizon(now), horizon(now)), end or now
    days = [*_days(first, last)]
    return [Change(*one, *day) for one in series.values_list("device_id", "channel") for day in days]


def rollup_changes_rebuild(*, changes: Sequence[Change]) -> Iterator[tuple[int, int]]:
    """Recompute the buckets of the changes from readings, as `rollups.rebuild` does; what rests on readings that are gone stays."""
    return rebuild(changes, frozen=_frozen(horizon(timezone.now())))


def _days(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the first and the last instant of each piece of [first, last)."""
    while first < last:
        after = min(first + timedelta(days=1), last)
        yield first, after - timedelta(microseconds=1)
        first = after


def _frozen(horizon: datetime) -> dict[tuple[int, int], datetime]:
    """Return, for each channel whose oldest counters the retention took, the end of the first bucket that still has one of each series.

    What lies before it rests on readings that are gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(rollup_sql.FIRST_KEPT_COUNTERS, [horizon])
        kept = sorted(cursor.fetchall(), key=itemgetter(2))
    return {(device_id, number % CHANNELS): floor(time) + BUCKET for device_id, number, time in kept}
