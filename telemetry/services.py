"""Every write to readings and buckets but the hot path, which is `telemetry.ingest.writer`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Least

from accounts.models import User
from devices.models import Device
from telemetry.constants import BUCKET, EPOCH
from telemetry.history.window import HOUR, hour_of
from telemetry.ingest import sql
from telemetry.models import DiscardedSpan, Series
from telemetry.partitions import horizon
from telemetry.rollup import bucket_sql, discard_sql
from telemetry.rollup import sql as rollup_sql
from telemetry.rollup.database import database_now, query_about, readings_of
from telemetry.rollup.run import compute, lock_buckets, rebuild
from telemetry.rollup.stale_buckets import (
    MICROSECOND,
    ChangedReadings,
    Counters,
    NeededReadings,
    StaleRange,
    bucket_start,
)
from telemetry.shelly.component_kinds import CHANNELS
from telemetry.shelly.samples import Sample

STORE_BATCH = 5_000


def readings_store(readings: Iterable[tuple[int, Sample]]) -> int:
    """Store samples, each with a time, under device ids; return how many were new.

    Any time is taken as it is, unlike a device's own; readings from before the retention are dropped by the next maintenance.
    """
    rest = iter(readings)
    new = 0
    while batch := list(islice(rest, STORE_BATCH)):
        with connection.cursor() as cursor:
            cursor.execute(sql.STORE_BY_ID, sql.store_parameters(batch))
            new += cursor.fetchone()[0]  # the same in each row
    return new


@transaction.atomic
def expired_readings_rollup(*, device_id: int, samples: Sequence[Sample]) -> None:
    """Compute the buckets of a channel from readings older than those that are kept, which are not stored (6 queries).

    The samples rise in time, each with a counter, up to the full five minutes at which the stored readings of the channel begin to count.
    The channel is then as one whose older readings the retention took: nothing computes these buckets anew.
    """
    channel, times = samples[0].channel, [sample.time for sample in samples if sample.time]
    first, last = times[0], times[-1]
    lock_buckets()
    compute(
        [StaleRange(device_id, channel, bucket_start(first), bucket_start(last))],
        [NeededReadings(device_id, channel, first, last, 0, Counters(first, last, None))],
        readings_of(samples),
    )
    Series.objects.filter(device_id=device_id, channel=channel).update(counter_first=Least("counter_first", first))


@transaction.atomic
def readings_discard(*, device: Device, user: User, start: datetime, end: datetime) -> DiscardedSpan:
    """Discard what a device measured in [start, end), made whole five minutes, and record who did it.

    Where only hours are left, they go whole. The counter's movement across the span is not counted either.
    """
    start, end = bucket_start(start), _ceiling(end, BUCKET)
    span = {"device_id": device.pk, "start": start, "end": end, "from_hour": hour_of(start), "to_hour": _ceiling(end, HOUR)}
    lock_buckets()
    before_wh = _energy_wh(span)
    readings, five_minutes = (_run(statement, span) for statement in (discard_sql.READINGS, discard_sql.FIVE_MINUTES))
    edges = [
        (device.pk, channel, hour, hour + HOUR) for channel in _channels_of(device) for hour in {hour_of(start), hour_of(end)}
    ]
    if edges:
        query_about(bucket_sql.UPSERT_HOURS, edges)
    hours = _run(discard_sql.HOURS, span)
    _run(discard_sql.NOTE, span)
    return DiscardedSpan.objects.create(
        device=device,
        start=start,
        end=end,
        discarded_by=user,
        readings=readings,
        five_minutes=five_minutes,
        hours=hours,
        energy_wh=before_wh - _energy_wh(span),
    )


def _channels_of(device: Device) -> set[int]:
    return {number % CHANNELS for number in Series.objects.filter(device_id=device.pk).values_list("channel", flat=True)}


def _energy_wh(span: Mapping[str, Any]) -> float:
    with connection.cursor() as cursor:
        cursor.execute(discard_sql.ENERGY, span)
        return float(cursor.fetchone()[0])


def _run(statement: str, span: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, span)
        return int(cursor.rowcount)


def _ceiling(time: datetime, width: timedelta) -> datetime:
    return time + (EPOCH - time) % width


def rollup_rebuild(
    *,
    device_ids: Sequence[int] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> int:
    """Recompute the buckets of [start, end) (None: as far as readings go) from readings; return how many ranges were computed."""
    changes = rollup_changes(device_ids=device_ids, start=start, end=end)
    return sum(ranges for _changes, ranges in rollup_changes_rebuild(changes=changes))


def rollup_changes(
    *, device_ids: Sequence[int] | None = None, start: datetime | None = None, end: datetime | None = None
) -> list[ChangedReadings]:
    """Return [start, end) of each channel, cut into days at most, to be rebuilt; nothing from before the oldest readings."""
    now = database_now()
    series = Series.objects.order_by("device_id", "channel")
    if device_ids is not None:
        series = series.filter(device_id__in=device_ids)
    first, last = max(start or horizon(now), horizon(now)), end or now
    days = [*_days(first, last)]
    channels = series.values_list("device_id", "channel")
    return [ChangedReadings(device_id, number, *day) for device_id, number in channels for day in days]


def rollup_changes_rebuild(*, changes: Sequence[ChangedReadings]) -> Iterator[tuple[int, int]]:
    """Recompute the buckets of the changes from readings, as `rollup.run.rebuild` does; buckets whose readings are gone stay."""
    return rebuild(changes, frozen=_frozen())


def _days(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the first and the last instant of each piece of [first, last)."""
    while first < last:
        after = min(first + timedelta(days=1), last)
        yield first, after - MICROSECOND
        first = after


def _frozen() -> dict[tuple[int, int], datetime]:
    """Return, for each channel whose oldest counters the retention took, the end of the first bucket that still has one of each series.

    What lies before it rests on readings that are gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(rollup_sql.FIRST_KEPT_COUNTERS)
        found = cursor.fetchall()
    frozen: dict[tuple[int, int], datetime] = {}
    for device_id, number, time in found:
        channel, end = (device_id, number % CHANNELS), bucket_start(time) + BUCKET
        frozen[channel] = max(end, frozen.get(channel, end))
    return frozen
