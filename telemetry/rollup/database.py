"""Readings out of the database and buckets into it as whole columns in binary: many times quicker than row by row, or as text."""

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

from telemetry.columns import BUCKET_VALUES, READING_VALUES
from telemetry.constants import EPOCH
from telemetry.rollup import bucket_sql
from telemetry.rollup import sql as rollup_sql
from telemetry.rollup.arrays import Buckets, ReadingRanges, Readings, StaleRanges
from telemetry.rollup.counters import last_falls
from telemetry.rollup.stale_buckets import MICROSECOND, NeededReadings, SeriesKey, StaleRange
from telemetry.shelly.samples import Sample

Column = NDArray[Any]

POSTGRES_EPOCH_US = 946_684_800_000_000
HOUR_US = 3_600_000_000
# PostgreSQL's types as numpy names them, and the numbers of these types in the head of an array. Times are µs.
TYPES = {"timestamptz": "i8", "float4": "f4", "float8": "f8", "int2": "i2", "int4": "i4"}
OIDS = {numpy_type: psycopg.adapters.types[sql_type].oid for sql_type, numpy_type in TYPES.items()}
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


def database_now() -> datetime:
    """Return the database's time, at which the transaction began."""
    ((now,),) = query("SELECT now()", [])
    return now  # type: ignore[no-any-return]


def fetch_readings(needed: Sequence[NeededReadings]) -> Readings:
    """Return the needed readings (1 query)."""
    least, greatest = min(one.from_time for one in needed), max(one.to_time for one in needed)
    ranges = [(one.device_id, one.number, one.from_time, one.to_time) for one in needed]
    found = sorted(query_about(rollup_sql.READINGS, ranges, least, greatest))
    packed = np.frombuffer(b"".join(some for _number, some in found), PACKED)
    number, count = np.array([(number - 1, len(some) // PACKED.itemsize) for number, some in found], np.int64).reshape(-1, 2).T
    measured = {name: packed[name].astype(np.float64) for name in READING_VALUES.names}
    return Readings(range_index=np.repeat(number, count), time=packed["time"] + POSTGRES_EPOCH_US, **measured)


def readings_of(samples: Sequence[Sample]) -> Readings:
    """Return one channel's samples, which rise in time, as the readings of one range."""
    measured = {name: np.array([getattr(sample, name) for sample in samples], np.float64) for name in READING_VALUES.names}
    times = _microseconds(sample.time for sample in samples)
    return Readings(range_index=np.zeros(len(samples), np.int64), time=times, **measured)


def range_columns(needed: Sequence[NeededReadings], stale: Sequence[StaleRange]) -> tuple[ReadingRanges, StaleRanges]:
    """Return the ranges as the arithmetic takes them."""
    reading_ranges = ReadingRanges(
        stale_index=np.array([one.stale_index for one in needed], np.int64),
        counter_first=_microseconds(one.counters.first for one in needed),
        counter_last=_microseconds(one.counters.last for one in needed),
    )
    return reading_ranges, StaleRanges(_microseconds(one.start for one in stale), _microseconds(one.end for one in stale))


def note_falls(needed: Sequence[NeededReadings], readings: Readings) -> None:
    """Remember which counters fell last (1 query, where any did since those that are known)."""
    fallen: dict[SeriesKey, datetime] = {}
    for place, time in zip(*last_falls(readings), strict=True):
        one, at = needed[place], EPOCH + int(time) * MICROSECOND
        if one.counters.fell is None or one.counters.fell < at:
            fallen[one.device_id, one.number] = max(at, fallen.get((one.device_id, one.number), at))
    if fallen:
        query_about(rollup_sql.NOTE_FALLS, [(*series, at) for series, at in fallen.items()])


def replace_buckets(stale: Sequence[StaleRange], computed: Buckets) -> None:
    """Replace the five minutes of the stale ranges by the computed ones, and sum their hours anew (3 queries, or 5)."""
    device, channel, start, end = _columns(stale)
    keys = [device[computed.stale_index], channel[computed.stale_index], computed.start - POSTGRES_EPOCH_US]
    values = [_storable(computed.values[column.name], TYPES[column.sql_type]) for column in BUCKET_VALUES]
    query(bucket_sql.UPSERT_FIVE_MINUTES, [*keys, *values])
    empty = query(bucket_sql.EMPTY_FIVE_MINUTES, [device, channel, start, end, *keys])
    if empty:
        query_about(bucket_sql.DELETE_FIVE_MINUTES, empty)
        keys = [np.concatenate(both) for both in zip(keys, _columns(empty), strict=True)]
    hours = _hours(*keys)
    query(bucket_sql.UPSERT_HOURS, hours)
    if empty:
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
