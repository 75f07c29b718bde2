"""Readings out of the database and buckets into it as whole columns in binary: many times quicker than row by row, or as text."""

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

from telemetry.columns import BUCKET_VALUES, READING_VALUES
from telemetry.rollup import bucket_sql
from telemetry.rollup import sql as rollup_sql
from telemetry.rollup.arrays import Buckets, Readings, Spans, Stretches
from telemetry.rollup.counter_movements import last_falls
from telemetry.rollup.counter_reach import EPOCH
from telemetry.rollup.stale_buckets import Span, Stretch

Column = NDArray[Any]

POSTGRES_EPOCH_US = 946_684_800_000_000
HOUR_US = 3_600_000_000
MICROSECOND = timedelta(microseconds=1)
# Types of columns as numpy names them, and the elements' numbers in PostgreSQL's arrays. Times are µs.
TYPES = {"timestamptz": "i8", "float4": "f4", "float8": "f8", "int2": "i2", "int4": "i4"}
OIDS = {"i2": 21, "i4": 23, "i8": 1184, "f4": 700, "f8": 701}
# A reading as rollup_sql.READINGS packs it.
PACKED = np.dtype([(column.name, f">{TYPES[column.sql_type]}") for column in rollup_sql.PACKED])


class _ArrayDumper(Dumper):
    """A numpy column as PostgreSQL's array: a head for its one dimension without nulls, then each element with its length before it."""

    format = Format.BINARY

    def dump(self, obj: Column) -> bytes:
        kind = obj.dtype.str[1:]
        cells = np.empty(len(obj), [("length", ">i4"), ("value", f">{kind}")])
        cells["length"], cells["value"] = obj.itemsize, obj
        return struct.pack(">5i", 1, 0, OIDS[kind], len(obj), 1) + cells.tobytes()


def query(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows. Parameters may be numpy columns, and all travel in binary; Django's cursor sends text."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.adapters.register_dumper(np.ndarray, _ArrayDumper)
        cursor.execute(statement, parameters, binary=True)
        return cursor.fetchall() if cursor.description else []


def query_about(statement: str, rows: Iterable[Sequence[Any]], *more: Any) -> list[tuple[Any, ...]]:
    """Run a statement whose parameters are the columns of the rows (device, channel, and times), and then some more."""
    return query(statement, [*_columns(rows), *more])


def readings_of(stretches: Sequence[Stretch]) -> Readings:
    """Fetch the readings of the stretches (1 query)."""
    least, greatest = min(one.from_time for one in stretches), max(one.to_time for one in stretches)
    ranges = [(one.device_id, one.number, one.from_time, one.to_time) for one in stretches]
    rows = sorted(query_about(rollup_sql.READINGS, ranges, least, greatest))
    packed = np.frombuffer(b"".join(some for _number, some in rows), PACKED)
    number, count = np.array([(number - 1, len(some) // PACKED.itemsize) for number, some in rows], np.int64).reshape(-1, 2).T
    measured = {name: packed[name].astype(np.float64) for name in READING_VALUES.names}
    return Readings(stretch=np.repeat(number, count), time=packed["time"] + POSTGRES_EPOCH_US, **measured)


def for_arithmetic(stretches: Sequence[Stretch], spans: Sequence[Span]) -> tuple[Stretches, Spans]:
    """Return what the arithmetic takes of them."""
    first, last = (_microseconds(getattr(one.counters, name) for one in stretches) for name in ("first", "last"))
    numbers = np.array([one.span for one in stretches], np.int64)
    return Stretches(numbers, first, last), Spans(
        *(_microseconds(getattr(span, name) for span in spans) for name in ("lo", "hi"))
    )


def note_falls(stretches: Sequence[Stretch], readings: Readings) -> None:
    """Remember which counters fell last (1 query, where any did since those that are known)."""
    fallen = []
    for place, time in zip(*last_falls(readings), strict=True):
        one, at = stretches[place], EPOCH + int(time) * MICROSECOND
        if one.counters.fell is None or one.counters.fell < at:
            fallen.append((one.device_id, one.number, at))
    if fallen:
        query_about(rollup_sql.NOTE_FALLS, {one[:2]: one for one in sorted(fallen)}.values())


def replace_buckets(spans: Sequence[Span], computed: Buckets) -> None:
    """Replace the five minutes of the spans by the computed ones, and sum their hours anew (3 queries, or 5)."""
    device, channel, lo, hi = _columns(spans)
    keys = [device[computed.span], channel[computed.span], computed.start - POSTGRES_EPOCH_US]
    values = [_storable(computed.values[column.name], TYPES[column.sql_type]) for column in BUCKET_VALUES]
    query(bucket_sql.UPSERT_FIVE_MINUTES, [*keys, *values])
    stale = query(bucket_sql.STALE_FIVE_MINUTES, [device, channel, lo, hi, *keys])
    if stale:
        query_about(bucket_sql.DELETE_FIVE_MINUTES, stale)
        keys = [np.concatenate(both) for both in zip(keys, _columns(stale), strict=True)]
    hours = _hours(*keys)
    query(bucket_sql.UPSERT_HOURS, hours)
    if stale:
        query(bucket_sql.DELETE_HOURS, hours)


def _hours(device: Column, channel: Column, start: Column) -> list[Column]:
    """Return the hours of the buckets as device, channel, start and end, none twice: one statement can't write a row twice."""
    hours = np.unique(np.stack([device, channel, start // HOUR_US * HOUR_US]), axis=1)
    return [hours[0].astype("i4"), hours[1].astype("i2"), hours[2], hours[2] + HOUR_US]


def _columns(rows: Iterable[Sequence[Any]]) -> list[Column]:
    device, channel, *times = zip(*rows, strict=True)
    return [np.array(device, "i4"), np.array(channel, "i2"), *(_microseconds(column) - POSTGRES_EPOCH_US for column in times)]


def _microseconds(times: Iterable[datetime | None]) -> "NDArray[np.int64]":
    return np.array([(time - EPOCH) // MICROSECOND if time else 0 for time in times], np.int64)


def _storable(column: Column, kind: str) -> Column:
    """Return the column as the table has it; what is too small for a `real` is too small to reckon with, too."""
    return np.where(np.abs(column) < 1e-30, 0, column).astype(kind)
