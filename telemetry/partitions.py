"""Partitions of readings (a day each) and five-minute buckets (a month each): made ahead of time, dropped after the retention."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from telemetry.constants import WORK_LOCK

log = structlog.get_logger(__name__)

AHEAD = timedelta(days=7)
LOCK_KEY = 0x45_57_01  # any number that only partition upkeep uses


class Plan(NamedTuple):
    """How a table is cut: by `day` or `month` of its time column, and how long a partition is kept."""

    table: str
    column: str
    unit: str
    keep: timedelta


class Partition(NamedTuple):
    """A partition's name and its range [start, end) in UTC."""

    name: str
    start: datetime
    end: datetime


def _readings() -> Plan:
    return Plan("telemetry_reading", "time", "day", timedelta(days=settings.TELEMETRY_RETENTION_DAYS))


def _five_minutes() -> Plan:
    return Plan("telemetry_bucket_5m", "start", "month", timedelta(days=settings.TELEMETRY_BUCKET_RETENTION_DAYS))


def _floor(time: datetime, unit: str) -> datetime:
    midnight = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.replace(day=1) if unit == "month" else midnight


def _next(start: datetime, unit: str) -> datetime:
    return _floor(start + timedelta(days=32), unit) if unit == "month" else start + timedelta(days=1)


def _wanted(plan: Plan, now: datetime) -> Iterator[Partition]:
    """Yield the partitions from the oldest that is kept to a week ahead."""
    start = _floor(now - plan.keep, plan.unit)
    while start < now + AHEAD:
        end = _next(start, plan.unit)
        yield Partition(f"{plan.table}_{start:%Y%m%d}", start, end)
        start = end


def horizon(now: datetime) -> datetime:
    """Return the time before which readings may be gone, so that buckets there are never recomputed.

    One hour after a partition's edge: the first bucket behind the edge may lack the reading before it.
    """
    return _floor(now - _readings().keep, "day") + timedelta(hours=1)


def existing(table: str) -> list[str]:
    """Return the names of a table's dated partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass AND c.relname <> %s ORDER BY 1",
            [table, f"{table}_default"],
        )
        return [row[0] for row in cursor.fetchall()]


def partitions_maintain(now: datetime) -> tuple[list[str], list[str]]:
    """Make the partitions that are wanted and drop those beyond the retention; return the names of both. Safe to run twice at once."""
    made: list[str] = []
    dropped: list[str] = []
    for plan in (_readings(), _five_minutes()):
        keep = list(_wanted(plan, now))
        made += _make_missing(plan, keep)
        dropped += _drop_before(plan, keep[0])
    if made or dropped:
        log.info("partitions maintained", made=len(made), dropped=dropped)
    return made, dropped


@transaction.atomic
def _make_missing(plan: Plan, keep: list[Partition]) -> list[str]:
    """Make the partitions that are not there; no roll-up works meanwhile, or it would miss the rows that move."""
    _lock(LOCK_KEY)
    there = set(existing(plan.table))
    missing = [partition for partition in keep if partition.name not in there]
    if missing:
        _lock(WORK_LOCK)
    for partition in missing:
        _make(plan, partition)
    return [partition.name for partition in missing]


@transaction.atomic
def _drop_before(plan: Plan, oldest: Partition) -> list[str]:
    """Drop what is older, in a transaction of its own: it locks the whole table before the default partition, as readers do."""
    _lock(LOCK_KEY)
    over = [name for name in existing(plan.table) if name < oldest.name]
    for name in over:
        _execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    default, column = sql.Identifier(f"{plan.table}_default"), sql.Identifier(plan.column)
    _execute(sql.SQL("DELETE FROM {} WHERE {} < %s").format(default, column), [oldest.start])
    return over


def _lock(key: int) -> None:
    """Take an advisory lock until the transaction's end, and give up rather than hold readings back behind a long query."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _make(plan: Plan, partition: Partition) -> None:
    """Make a partition and move into it what the default partition holds of its range."""
    name, parent, default, column = (
        sql.Identifier(text) for text in (partition.name, plan.table, f"{plan.table}_default", plan.column)
    )
    _execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(default))
    _execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(name, parent))
    # Each channel appends to its own end of the key, late rows being few, so room for others would stay empty.
    _execute(sql.SQL("ALTER INDEX {} SET (fillfactor = 100)").format(sql.Identifier(f"{partition.name}_pkey")))
    move = sql.SQL("WITH moved AS (DELETE FROM {} WHERE {} >= %s AND {} < %s RETURNING *) INSERT INTO {} SELECT * FROM moved")
    _execute(move.format(default, column, column, name), [partition.start, partition.end])
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    _execute(attach.format(parent, name, sql.Literal(partition.start.isoformat()), sql.Literal(partition.end.isoformat())))


def _execute(statement: sql.Composed, parameters: list[object] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(connection.connection), parameters)  # type: ignore[arg-type]
