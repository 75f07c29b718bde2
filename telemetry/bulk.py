"""Readings out of the database and buckets into it as whole columns in binary: many times quicker than row by row, or as text."""

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

from telemetry import rollup_sql
from telemetry.energy import Buckets, Readings, Spans
from telemetry.spans import EPOCH, Span

POSTGRES_EPOCH_US = 946_684_800_000_000
# A reading as ROLLUP_READINGS packs it: time, W, V, A, and the counters of energy drawn and returned, Wh.
READING = np.dtype(">i8, >f4, >f4, >f4, >f8, >f8")
# Types of bucket columns after the key, and PostgreSQL's numbers for arrays of such; whole numbers of eight bytes are times.
BUCKET_TYPES = ("f8", "f8", "f8", "f4", "i4", "f4", "f4", "f4", "f4", "f4", "i2")
OIDS = {"i2": 21, "i4": 23, "i8": 1184, "f4": 700, "f8": 701}


class _ArrayDumper(Dumper):
    """A numpy column as PostgreSQL's array: a head for its one dimension without nulls, then each element with its length before it."""

    format = Format.BINARY

    def dump(self, obj: "NDArray[Any]") -> bytes:
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


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the rows' columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def readings_of(spans: Sequence[Span]) -> Readings:
    """Fetch the readings of the spans (1 query)."""
    device, channel, _lo, _hi, start, end, *_counters = columns(spans)
    asked = [list(range(len(spans))), device, channel, start, end, min(start), max(end)]
    rows = sorted(query(rollup_sql.READINGS, asked))
    packed = np.frombuffer(b"".join(row[1] for row in rows), READING)
    time, *measured = (packed[name] for name in READING.names or ())
    span = np.repeat(
        np.array([row[0] for row in rows], np.int64), np.array([len(row[1]) // READING.itemsize for row in rows], np.int64)
    )
    return Readings(span, time + POSTGRES_EPOCH_US, *(column.astype(np.float64) for column in measured))


def for_arithmetic(spans: Sequence[Span]) -> Spans:
    """Return what the arithmetic takes of the spans."""
    names = ("lo", "hi", "counter_first", "counter_last")
    return Spans(*(np.array([_microseconds(getattr(span, name)) for span in spans], np.int64) for name in names))


def replace_buckets(spans: Sequence[Span], computed: Buckets) -> None:
    """Write the computed five minutes of the spans and remove what else stands there (2 queries, or 3)."""
    series = np.array([span[:2] for span in spans])[computed.span]
    keys = [series[:, 0].astype("i4"), series[:, 1].astype("i2"), computed.start - POSTGRES_EPOCH_US]
    # What is too small for a `real` is too small to reckon with, too.
    values = [
        np.where(np.abs(column) < 1e-30, 0, column).astype(kind) for column, kind in zip(computed[2:], BUCKET_TYPES, strict=True)
    ]
    query(rollup_sql.UPSERT_FIVE_MINUTES, [*keys, *values])
    device, channel, lo, hi, *_ = columns(spans)
    stale = query(rollup_sql.STALE_FIVE_MINUTES, [device, channel, lo, hi, *keys])
    if stale:
        query(rollup_sql.DELETE_FIVE_MINUTES, columns(stale))


def _microseconds(time: datetime | None) -> int:
    return (time - EPOCH) // timedelta(microseconds=1) if time else 0
