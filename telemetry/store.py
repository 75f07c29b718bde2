"""Rows into the readings' table, the fast way where it can be taken: a binary COPY that commits by itself.

COPY knows no ON CONFLICT, and late readings and new channels have to be noted in the same transaction. A batch with any of these takes
the slower statement that does it all.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo

from devices.registry import Entry, registry
from telemetry import sql
from telemetry.constants import SURELY_RECENT
from telemetry.rows import columns
from telemetry.samples import Sample

STATEMENT_TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_S = 5
APPLICATION_NAME = "ecowatt-writer"
# What of Django's OPTIONS is libpq's own; the rest (pool, isolation level) is for Django alone.
LIBPQ_OPTIONS = (
    "host",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "service",
    "passfile",
    "connect_timeout",
    "target_session_attrs",
)


def database_conninfo() -> str:
    """Return libpq's address of the database that Django uses now (in tests, the test database)."""
    target = connection.settings_dict
    parts = {"dbname": target["NAME"], "user": target["USER"], "password": target["PASSWORD"], "host": target["HOST"]}
    parts["port"] = target["PORT"]
    libpq = {name: str(value) for name, value in target["OPTIONS"].items() if name in LIBPQ_OPTIONS}
    given = {name: str(value) for name, value in parts.items() if value}
    return make_conninfo("", **{"connect_timeout": str(CONNECT_TIMEOUT_S), "application_name": APPLICATION_NAME} | libpq | given)


class Store:
    """One database connection that stores readings; renewed when it was lost."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._conninfo = database_conninfo()
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._series: set[tuple[int, int]] = set()

    async def save(self, readings: Sequence[tuple[str, Sequence[Sample]]]) -> dict[str, Entry]:
        """Store the samples of registered and active devices, by MAC, in one commit; return the registered devices.

        A connection that went stale is renewed once. Raises psycopg.Error, OSError.
        """
        fresh = self._connection is None
        try:
            return await self._save(readings)
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            await self.close()
            if fresh:
                raise
        return await self._save(readings)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            stale, self._connection = self._connection, None
            await stale.close()

    async def _save(self, readings: Sequence[tuple[str, Sequence[Sample]]]) -> dict[str, Entry]:
        if self._connection is None:
            options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
            self._connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, options=options)
        known = await registry().lookup({mac for mac, _samples in readings}, self._fetch)
        rows = [
            (device.device_id, sample)
            for mac, samples in readings
            if (device := known.get(mac)) is not None and device.is_active
            for sample in samples
        ]
        if rows and not (self._is_plain(rows) and await self._copy(rows)):
            await self._connection.execute(sql.STORE_BY_ID, columns(rows))
            self._series |= {(device_id, sample.channel) for device_id, sample in rows}
        return known

    async def _fetch(self, macs: list[str]) -> dict[str, Entry]:
        assert self._connection is not None
        cursor = await self._connection.execute(sql.DEVICES_BY_MAC, [macs])
        return {mac: Entry(device_id, is_active) for mac, device_id, is_active in await cursor.fetchall()}

    def _is_plain(self, rows: list[tuple[int, Sample]]) -> bool:
        """Tell whether there is nothing to note: every channel has been seen before, and no reading is late."""
        recent = datetime.now(UTC) - SURELY_RECENT
        return all(
            (key, sample.channel) in self._series and sample.time is not None and sample.time > recent for key, sample in rows
        )

    async def _copy(self, rows: list[tuple[int, Sample]]) -> bool:
        """Store by COPY; False where a row is there already, and then none was stored."""
        assert self._connection is not None
        try:
            async with self._connection.cursor() as cursor, cursor.copy(sql.COPY_READINGS) as copy:
                copy.set_types(sql.COPY_TYPES)
                for device_id, (channel, time, power, voltage, current, energy, returned) in rows:
                    await copy.write_row((time, energy, returned or None, device_id, power, voltage, current, channel))
        except psycopg.errors.UniqueViolation:
            return False
        return True
