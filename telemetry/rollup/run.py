"""From readings to buckets: what changed is computed anew, never added up, so doing it twice is harmless."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings
from django.db import transaction

from devices.models import Replacement
from telemetry.constants import DEVICE_TIME_AHEAD, LATE_AFTER, ROLLUP_MARGIN, WORK_LOCK
from telemetry.models import DiscardedSpan, RollupState
from telemetry.partitions import horizon
from telemetry.rollup import bucket_sql
from telemetry.rollup import sql as rollup_sql
from telemetry.rollup.arrays import Readings, Rules
from telemetry.rollup.database import database_now, fetch_readings, note_falls, query, query_about, range_columns, replace_buckets
from telemetry.rollup.energy import buckets
from telemetry.rollup.neighbours import counters_around
from telemetry.rollup.stale_buckets import (
    ChangedReadings,
    Counters,
    Gap,
    Horizon,
    NeededReadings,
    SeriesKey,
    StaleRange,
    lookups_of_changes,
    lookups_of_stale,
    needed_readings,
    stale_ranges,
    without_gaps,
)

RUN_LOCK = 0x45_57_02  # one regular roll-up at a time
# Current readings come first: a run spends so long on late ones, and a transaction takes so many hours of series of them.
LATE_BUDGET_S = 2.0
LATE_HOURS_A_TRANSACTION = 200
# For so long after other hardware took a device's place readings of either may come: the old one's clock may be ahead, and some of its
# readings were on their way into the database.
CHANGEOVER = DEVICE_TIME_AHEAD + timedelta(seconds=30)
# A transaction takes changes of so many channels, and of so much time in all: readings are held in memory while it lasts.
SERIES_A_TRANSACTION = 1_000
TIME_A_TRANSACTION = timedelta(hours=1_000)


def rollup() -> int:
    """Bring the buckets up to date with all readings stored so far; return how many ranges of buckets were recomputed.

    Late readings may have to wait for the next run. Where another roll-up is under way it returns 0 at once.
    """
    with _run_lock() as is_alone:
        if not is_alone:
            return 0
        now = database_now()
        ((newest,),) = query(rollup_sql.LAST_LATE_SPAN, [])
        changes = [ChangedReadings(*row) for row in query(rollup_sql.RECENT_CHANGES, [_changed_since(now)])]
        done = sum(ranges for _changes, ranges in rebuild(changes))
        RollupState.objects.update_or_create(id=1, defaults={"through": now})
        return done + _rollup_late(now, newest)


def rebuild(changes: Sequence[ChangedReadings], frozen: Mapping[SeriesKey, datetime] | None = None) -> Iterator[tuple[int, int]]:
    """Recompute the buckets of the changes, several in a transaction; yield after each how many changes and ranges it dealt with.

    Buckets of a channel before its `frozen` time stay as they are. Between two transactions others may write, and the caller may stop.
    """
    for some in _batches(changes):
        with transaction.atomic():
            ranges = recompute(some, database_now(), frozen)
        yield len(some), ranges


def recompute(changes: Sequence[ChangedReadings], now: datetime, frozen: Mapping[SeriesKey, datetime] | None = None) -> int:
    """Recompute the buckets that the changes touch; return how many ranges they were. Needs a transaction."""
    if not changes:
        return 0
    lock_buckets()
    stale, needed = _ranges(changes, Horizon(horizon(now), frozen or {}))
    needed = without_gaps(needed, _gaps(needed))
    if needed:
        readings = fetch_readings(needed)
        compute(stale, needed, readings)
        note_falls(needed, readings)
    return len(stale)


def compute(stale: Sequence[StaleRange], needed: Sequence[NeededReadings], readings: Readings) -> None:
    """Replace the buckets of the stale ranges by those of the readings. Needs a transaction with `lock_buckets`."""
    replace_buckets(stale, buckets(readings, *range_columns(needed, stale), _rules()))


def _ranges(changes: Sequence[ChangedReadings], horizon: Horizon) -> tuple[list[StaleRange], list[NeededReadings]]:
    """Return the buckets that the changes touch, and the readings that it takes to compute them (at most 13 queries)."""
    noted = query_about(rollup_sql.NOTE_COUNTERS, changes)
    counters = {(device_id, number): Counters(first, last, fell) for device_id, number, first, last, fell in noted}
    gap = timedelta(seconds=max(settings.TELEMETRY_POWER_GAP_SECONDS, settings.TELEMETRY_COUNTER_GAP_SECONDS))
    lookups = lookups_of_changes([one for one in changes if (one.device_id, one.number) in counters], counters)
    stale = stale_ranges(lookups, counters_around(lookups, counters), gap, horizon)
    lookups = lookups_of_stale(stale, counters, horizon)
    return stale, needed_readings(lookups, counters_around(lookups, counters), counters, gap)


def _gaps(needed: Sequence[NeededReadings]) -> dict[int, list[Gap]]:
    """Return the times near the readings across which nothing counts, by device (2 queries): what was discarded, and other hardware."""
    found: dict[int, list[Gap]] = {}
    if needed:
        first, last = min(one.from_time for one in needed), max(one.to_time for one in needed)
        discarded = DiscardedSpan.objects.filter(start__lte=last, end__gt=first).values_list("device_id", "start", "end")
        replaced = Replacement.objects.filter(at__lte=last, at__gt=first - CHANGEOVER).values_list("device_id", "at")
        for device_id, start, end in (*discarded, *((device_id, at, at + CHANGEOVER) for device_id, at in replaced)):
            found.setdefault(device_id, []).append((start, end))
    return found


def lock_buckets() -> None:
    """Wait until no other transaction writes buckets, and keep others from it until this one ends."""
    query(rollup_sql.SESSION, [WORK_LOCK])


def recompute_imported_hours(starts: Sequence[tuple[int, int, datetime]]) -> None:
    """Recompute the hours of imported five-minute buckets, given as device, channel and start. Needs a transaction with `lock_buckets`."""
    hours = {(device_id, channel, start.replace(minute=0)) for device_id, channel, start in starts}
    ranges = [(device_id, channel, hour, hour + timedelta(hours=1)) for device_id, channel, hour in hours]
    query_about(bucket_sql.UPSERT_IMPORTED_HOURS, ranges)


def _rules() -> Rules:
    return Rules(settings.TELEMETRY_POWER_GAP_SECONDS, settings.TELEMETRY_COUNTER_GAP_SECONDS, settings.TELEMETRY_MAX_POWER_W)


def _rollup_late(now: datetime, newest: int) -> int:
    """Recompute around readings that came late for LATE_BUDGET_S; a late span is deleted in the transaction that deals with it."""
    done, until = 0, monotonic() + LATE_BUDGET_S
    while True:
        with transaction.atomic():
            taken = [
                ChangedReadings(*row) for row in query(rollup_sql.TAKE_LATE_SPANS, [newest, LATE_HOURS_A_TRANSACTION, newest])
            ]
            done += recompute(taken, now)
        if not taken or monotonic() >= until:
            return done


def _changed_since(now: datetime) -> datetime:
    """Return the time after which a reading may be new; every new one from before it lies in a late span."""
    state = RollupState.objects.first()
    return max(state.through - LATE_AFTER - ROLLUP_MARGIN, horizon(now)) if state else horizon(now)


def _batches(changes: Sequence[ChangedReadings]) -> Iterator[list[ChangedReadings]]:
    """Yield the changes in parts of what one transaction takes."""
    some: list[ChangedReadings] = []
    length = timedelta()
    for change in changes:
        some.append(change)
        length += change.to_time - change.from_time
        if len(some) >= SERIES_A_TRANSACTION or length >= TIME_A_TRANSACTION:
            yield some
            some, length = [], timedelta()
    if some:
        yield some


@contextmanager
def _run_lock() -> Iterator[bool]:
    ((is_locked,),) = query("SELECT pg_try_advisory_lock(%s)", [RUN_LOCK])
    try:
        yield is_locked
    finally:
        if is_locked:
            query("SELECT pg_advisory_unlock(%s)", [RUN_LOCK])
