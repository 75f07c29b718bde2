"""From readings to buckets: what changed is computed anew, never added up, so doing it twice is harmless."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from telemetry import sql
from telemetry.constants import BUCKET, LATE_AFTER, ROLLUP_MARGIN
from telemetry.models import RollupState
from telemetry.partitions import horizon

RUN_LOCK = 0x45_57_02  # one regular roll-up at a time
WORK_LOCK = 0x45_57_03  # one writer of buckets at a time, so that none overwrites newer figures with older ones
SERIES_A_TRANSACTION = 200
REBUILD_A_TRANSACTION = 10  # days of a series: some tenths of a second
LATE_SPANS_A_TRANSACTION = 1_000


class Change(NamedTuple):
    """New readings of a channel between two times, both ends included."""

    device_id: int
    channel: int
    from_time: datetime
    to_time: datetime


def rollup() -> int:
    """Bring the buckets up to date with all readings stored so far; return how many channel spans were recomputed.

    Where another roll-up is under way it returns 0 at once.
    """
    with _only_one() as alone:
        if not alone:
            return 0
        now = _database_now()
        spans = _late()
        changes = _fetch(sql.RECENT_CHANGES, [_mark(now)])
        for some in _chunks([Change(*row) for row in changes], SERIES_A_TRANSACTION):
            with transaction.atomic():
                spans += recompute(some, now)
        RollupState.objects.update_or_create(id=1, defaults={"through": now})
        return spans


def rebuild(changes: Sequence[Change]) -> Iterator[tuple[int, int]]:
    """Recompute the buckets of the changes, some a transaction; yield after each how many changes and spans it dealt with.

    Between two the regular roll-up gets its turn, and the caller may stop.
    """
    for some in _chunks(changes, REBUILD_A_TRANSACTION):
        with transaction.atomic():
            spans = recompute(some, _database_now())
        yield len(some), spans


def recompute(changes: Sequence[Change], now: datetime) -> int:
    """Recompute the buckets that the changes touch; return how many spans they were. Needs a transaction."""
    if not changes:
        return 0
    take_turn()
    noted = _fetch(sql.NOTE_COUNTERS, [list(column) for column in zip(*changes, strict=True)])
    spans = _fetch(
        sql.ROLLUP_FIVE_MINUTES, _named(("device_id", "channel", "from_time", "to_time", "has_counter"), noted) | _limits(now)
    )
    if spans:
        _fetch(sql.ROLLUP_HOURS, _named(("device_id", "channel", "lo", "hi"), spans) | {"importing": False})
    return len(spans)


def take_turn() -> None:
    """Wait until nobody else writes buckets; they are the caller's until its transaction ends."""
    _fetch("SELECT pg_advisory_xact_lock(%s)", [WORK_LOCK])


def recompute_imported_hours(starts: Sequence[tuple[int, int, datetime]]) -> None:
    """Recompute the hours of imported five-minute buckets, given as device, channel and start. Needs a transaction and its turn."""
    spans = [(device_id, channel, start, start + BUCKET) for device_id, channel, start in starts]
    _fetch(sql.ROLLUP_HOURS, _named(("device_id", "channel", "lo", "hi"), spans) | {"importing": True})


def _late() -> int:
    """Recompute around readings that came late; the note of a span goes only with the transaction that deals with it."""
    spans = 0
    while True:
        with transaction.atomic():
            taken = [Change(*row) for row in _fetch(sql.TAKE_LATE_SPANS, [LATE_SPANS_A_TRANSACTION])]
            spans += recompute(taken, _database_now())
        if not taken:
            return spans


def _mark(now: datetime) -> datetime:
    """Return the time after which a reading may be new: before it, every new one is in the notes of late spans."""
    state = RollupState.objects.first()
    return max(state.through - LATE_AFTER - ROLLUP_MARGIN, horizon(now)) if state else horizon(now)


def _limits(now: datetime) -> dict[str, Any]:
    power_gap, counter_gap = settings.TELEMETRY_POWER_GAP_SECONDS, settings.TELEMETRY_COUNTER_GAP_SECONDS
    return {
        "gap": f"{max(power_gap, counter_gap)} seconds",
        "power_gap_s": power_gap,
        "counter_gap_s": counter_gap,
        "max_power_w": settings.TELEMETRY_MAX_POWER_W,
        "horizon": horizon(now),
    }


def _named(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the rows as one list for each name."""
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _chunks(items: Sequence[Change], size: int) -> Iterator[list[Change]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


@contextmanager
def _only_one() -> Iterator[bool]:
    (alone,) = _fetch("SELECT pg_try_advisory_lock(%s)", [RUN_LOCK])[0]
    try:
        yield alone
    finally:
        if alone:
            _fetch("SELECT pg_advisory_unlock(%s)", [RUN_LOCK])


def _database_now() -> datetime:
    return _fetch("SELECT now()", [])[0][0]  # type: ignore[no-any-return]


def _fetch(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
