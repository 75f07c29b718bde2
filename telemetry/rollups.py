"""From readings to buckets: what changed is computed anew, never added up, so doing it twice is harmless."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from django.conf import settings
from django.db import connection, transaction

from telemetry import sql
from telemetry.constants import LATE_AFTER, ROLLUP_MARGIN, WORK_LOCK
from telemetry.energy import Buckets, Readings, Rules, Spans, buckets
from telemetry.models import RollupState
from telemetry.partitions import horizon
from telemetry.spans import EPOCH, Change, Horizon, Series, Span, spans_of

RUN_LOCK = 0x45_57_02  # one regular roll-up at a time
LATE_SPANS_A_TRANSACTION = 1_000
# A transaction takes changes of so many channels, and of so much time in all: readings are held in memory while it lasts.
SERIES_A_TRANSACTION = 1_000
TIME_A_TRANSACTION = timedelta(hours=1_000)

POSTGRES_EPOCH_US = 946_684_800_000_000
# An array in binary: 20 bytes of head, then each element with its length before it, big-endian. Ours have one dimension and no nulls.
ARRAY_HEAD = 20
TIME, REAL, DOUBLE = (np.dtype([("length", ">i4"), ("value", kind)]) for kind in (">i8", ">f4", ">f8"))
ARRAYS = (TIME, REAL, REAL, REAL, DOUBLE, DOUBLE)


def rollup() -> int:
    """Bring the buckets up to date with all readings stored so far; return how many spans were recomputed.

    Where another roll-up is under way it returns 0 at once.
    """
    with _only_one() as alone:
        if not alone:
            return 0
        now = _database_now()
        spans = _late(now)
        changes = [Change(*row) for row in _fetch(sql.RECENT_CHANGES, [_mark(now)])]
        spans += sum(done for _changes, done in rebuild(changes))
        RollupState.objects.update_or_create(id=1, defaults={"through": now})
        return spans


def rebuild(changes: Sequence[Change], frozen: Mapping[Series, datetime] | None = None) -> Iterator[tuple[int, int]]:
    """Recompute the buckets of the changes, some a transaction; yield after each how many changes and spans it dealt with.

    Buckets of a channel before its `frozen` time stay as they are. Between two transactions others get their turn, and the caller may stop.
    """
    for some in _portions(changes):
        with transaction.atomic():
            spans = recompute(some, _database_now(), frozen)
        yield len(some), spans


def recompute(changes: Sequence[Change], now: datetime, frozen: Mapping[Series, datetime] | None = None) -> int:
    """Recompute the buckets that the changes touch; return how many spans they were. Needs a transaction."""
    if not changes:
        return 0
    take_turn()
    counters = {row[:2]: row[2:] for row in _fetch(sql.NOTE_COUNTERS, _columns(changes))}
    known = [change for change in changes if change[:2] in counters]
    gap = timedelta(seconds=max(settings.TELEMETRY_POWER_GAP_SECONDS, settings.TELEMETRY_COUNTER_GAP_SECONDS))
    spans = spans_of(known, counters, gap, Horizon(horizon(now), frozen or {}), _fetch)
    if spans:
        _write(spans, buckets(_readings(spans), _for_arithmetic(spans), _rules()))
    return len(spans)


def take_turn() -> None:
    """Wait until nobody else writes buckets; they are the caller's until its transaction ends."""
    _fetch(sql.ROLLUP_SESSION, [WORK_LOCK])


def recompute_imported_hours(starts: Sequence[tuple[int, int, datetime]]) -> None:
    """Recompute the hours of imported five-minute buckets, given as device, channel and start. Needs a transaction and its turn."""
    hours = {(device_id, channel, _hour(start)) for device_id, channel, start in starts}
    _execute(sql.UPSERT_IMPORTED_HOURS, _columns([(*hour, hour[2] + timedelta(hours=1)) for hour in hours]))


def _rules() -> Rules:
    return Rules(settings.TELEMETRY_POWER_GAP_SECONDS, settings.TELEMETRY_COUNTER_GAP_SECONDS, settings.TELEMETRY_MAX_POWER_W)


def _readings(spans: Sequence[Span]) -> Readings:
    """Fetch the readings of the spans, sorted (1 query)."""
    lo, hi = [span.fetch_lo for span in spans], [span.fetch_hi for span in spans]
    asked = [
        list(range(len(spans))),
        [span.device_id for span in spans],
        [span.channel for span in spans],
        lo,
        hi,
        min(lo),
        max(hi),
    ]
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:  # Django's own would fetch the arrays as text
        rows = cursor.execute(sql.ROLLUP_READINGS, asked, binary=True).fetchall()
    if not rows:
        return Readings(*(np.array([], kind) for kind in ("i8", "i8", "f8", "f8", "f8", "f8", "f8")))
    columns = [np.concatenate([_array(row[1 + index], kind) for row in rows]) for index, kind in enumerate(ARRAYS)]
    number = np.repeat([row[0] for row in rows], [(len(row[1]) - ARRAY_HEAD) // TIME.itemsize for row in rows])
    order = np.lexsort((columns[0], number))
    measured = (column[order].astype(np.float64) for column in columns[1:])
    return Readings(number[order], columns[0][order].astype(np.int64) + POSTGRES_EPOCH_US, *measured)


def _array(raw: bytes, kind: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
    values: np.ndarray[Any, Any] = np.frombuffer(raw, kind, offset=ARRAY_HEAD)["value"]
    return values


def _microseconds(time: datetime | None) -> int:
    return (time - EPOCH) // timedelta(microseconds=1) if time else 0


def _for_arithmetic(spans: Sequence[Span]) -> Spans:
    names = ("lo", "hi", "counter_first", "counter_last")
    return Spans(*(np.array([_microseconds(getattr(span, name)) for span in spans], np.int64) for name in names))


def _write(spans: Sequence[Span], computed: Buckets) -> None:
    """Replace the buckets of the spans and the hours that they lie in."""
    device = [spans[index].device_id for index in computed.span]
    channel = [spans[index].channel for index in computed.span]
    start = [datetime.fromtimestamp(int(at) // 1_000_000, UTC) for at in computed.start]
    keys = [device, channel, start]
    # A `real` column refuses what is too small for it.
    values = (np.where(np.abs(column) < 1e-30, 0, column).tolist() for column in computed[2:])
    _execute(sql.UPSERT_FIVE_MINUTES, [*keys, *values])
    stale = _fetch(sql.STALE_FIVE_MINUTES, [*_columns([(*span[:2], span.lo, span.hi) for span in spans]), *keys])
    if stale:
        _execute(sql.DELETE_FIVE_MINUTES, _columns(stale))
    hours = _columns([(*span[:2], _hour(span.lo), _hour(span.hi + timedelta(minutes=55))) for span in spans])
    _execute(sql.UPSERT_HOURS, hours)
    _execute(sql.DELETE_HOURS, hours)


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0)


def _late(now: datetime) -> int:
    """Recompute around readings that came late; the note of a span goes only with the transaction that deals with it."""
    ((newest,),) = _fetch(sql.LAST_LATE_SPAN, [])
    spans = 0
    while True:
        with transaction.atomic():
            taken = [Change(*row) for row in _fetch(sql.TAKE_LATE_SPANS, [newest, LATE_SPANS_A_TRANSACTION])]
            spans += recompute(taken, now)
        if not taken:
            return spans


def _mark(now: datetime) -> datetime:
    """Return the time after which a reading may be new: before it, every new one is in the notes of late spans."""
    state = RollupState.objects.first()
    return max(state.through - LATE_AFTER - ROLLUP_MARGIN, horizon(now)) if state else horizon(now)


def _portions(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Cut the changes into what one transaction takes."""
    some: list[Change] = []
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
def _only_one() -> Iterator[bool]:
    ((alone,),) = _fetch("SELECT pg_try_advisory_lock(%s)", [RUN_LOCK])
    try:
        yield alone
    finally:
        if alone:
            _fetch("SELECT pg_advisory_unlock(%s)", [RUN_LOCK])


def _database_now() -> datetime:
    return _fetch("SELECT now()", [])[0][0]  # type: ignore[no-any-return]


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _fetch(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _execute(statement: str, parameters: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
