"""The columns of readings and buckets, once, in the order of their tables: SQL, COPY, arrays and CSV are built from these lists.

A name ends in its unit: Wh, W, V, A, seconds. Models need their fields written out; a test compares them and the database with these.
"""

from collections.abc import Iterable
from enum import IntFlag
from typing import NamedTuple

from telemetry.shelly.samples import Sample


class Column(NamedTuple):
    """A column's name and PostgreSQL's name of its type."""

    name: str
    sql_type: str
    is_nullable: bool = False


class Columns(tuple[Column, ...]):
    """Columns in an order, as the parts of SQL statements that list them."""

    @property
    def names(self) -> list[str]:
        return [column.name for column in self]

    @property
    def types(self) -> list[str]:
        return [column.sql_type for column in self]

    @property
    def listed(self) -> str:
        """The names as INSERT and COPY list them."""
        return ", ".join(self.names)

    def only(self, names: Iterable[str]) -> "Columns":
        """Return the named columns, in the order of the names. Raises KeyError."""
        known = {column.name: column for column in self}
        return Columns(known[name] for name in names)

    def without(self, *names: str) -> "Columns":
        return Columns(column for column in self if column.name not in names)

    def select(self, **expressions: str) -> str:
        """Return what SELECT lists: the columns, some of them as the SQL expression given for them."""
        return ", ".join(expressions.get(name, name) for name in self.names)

    def unnest(self, alias: str, *, ordinality: str = "") -> str:
        """Return what stands in a FROM for a list of values for each column, as parameters; `ordinality` names a count from one."""
        casts = ", ".join(f"%s::{sql_type}[]" for sql_type in self.types)
        counted, names = (" WITH ORDINALITY", [*self.names, ordinality]) if ordinality else ("", self.names)
        return f"unnest({casts}){counted} AS {alias} ({', '.join(names)})"


READING = Columns(
    (
        Column("time", "timestamptz"),
        Column(
            "energy_wh", "float8", is_nullable=True
        ),  # the device's counters; that of returned energy is null where it is zero
        Column("returned_wh", "float8", is_nullable=True),
        Column("device_id", "int4"),
        Column("power_w", "float4"),
        Column("voltage_v", "float4", is_nullable=True),
        Column("current_a", "float4", is_nullable=True),
        Column("channel", "int2"),
    )
)
BUCKET = Columns(
    (
        Column("start", "timestamptz"),
        Column("measured_wh", "float8"),
        Column("recovered_wh", "float8"),
        Column("returned_wh", "float8"),
        Column("device_id", "int4"),
        Column("covered_s", "float4"),
        Column("samples", "int4"),
        Column("power_min_w", "float4", is_nullable=True),
        Column("power_mean_w", "float4", is_nullable=True),
        Column("power_max_w", "float4", is_nullable=True),
        Column("voltage_v", "float4", is_nullable=True),
        Column("current_a", "float4", is_nullable=True),
        Column("channel", "int2"),
        Column("flags", "int2"),
    )
)
READING_KEY = READING.only(("device_id", "channel", "time"))
READING_VALUES = READING.only(name for name in Sample._fields if name not in ("channel", "time", "kind", "output"))
BUCKET_KEY = BUCKET.only(("device_id", "channel", "start"))
BUCKET_VALUES = BUCKET.without(*BUCKET_KEY.names)


class Flag(IntFlag):
    """Bits of a bucket's `flags`."""

    RECOVERED = 1  # energy of a gap, spread evenly
    REJECTED = 2  # a counter moved more than the wiring can carry, or fell without a restart, and was not counted
    RESTARTED = 4  # a counter began again from zero
    IMPORTED = 8  # from another installation's file, not from readings here; the first roll-up that has readings replaces it


# What belongs to the bucket itself wherever it is stored, and so to an exported file.
PORTABLE_FLAGS = Flag.RECOVERED | Flag.REJECTED | Flag.RESTARTED
