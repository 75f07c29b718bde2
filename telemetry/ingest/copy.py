"""Rows into the readings' table, the fast way where it can be taken: a binary COPY that commits by itself.

COPY knows no ON CONFLICT, and late readings and new channels have to be noted in the same transaction. A batch with any of these takes
the slower statement that does it all.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from devices.registry import RegisteredDevice, fetch_devices, registry
from devices.shelly_models import Bounds
from telemetry.constants import SURELY_RECENT
from telemetry.ingest import sql
from telemetry.ingest.drop_log import DropLog
from telemetry.ingest.late_counters import Neighbours, fitting, pair_of
from telemetry.ingest.returned_energy import Returns, Rows, Series
from telemetry.shelly.component_kinds import CHANNELS, series_number
from telemetry.shelly.samples import Sample

# A save is tried twice at most, so a sender waits less than 20 s for a database that stalls.
ATTEMPT_TIMEOUT_S = 9.0
STATEMENT_TIMEOUT_MS = 8_000
CLOCK_EVERY_S = 60.0
CONNECT_TIMEOUT_S = 5
APPLICATION_NAME = "ecowatt-writer"
# The samples of each sender, by MAC: one MAC may come several times.
Batch = Sequence[tuple[str, Sequence[Sample]]]
# A connection that was cut off silently is noticed in seconds.
DEFAULTS = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}


def database_conninfo() -> str:
    """Return libpq's address of the database that Django uses now (in tests, the test database), with what is libpq's of its OPTIONS."""
    keywords = {option.keyword.decode() for option in Conninfo.get_defaults()}
    parameters: dict[str, Any] = DEFAULTS | connection.get_connection_params() | {"application_name": APPLICATION_NAME}
    ours = {name: str(value) for name, value in parameters.items() if name in keywords and value is not None}
    ours["options"] = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} {ours.get('options', '')}".strip()
    return make_conninfo("", **ours)


class Stored(NamedTuple):
    """The registered devices among those of a batch, by MAC, and the MACs of which something was beyond the device's bounds."""

    devices: dict[str, RegisteredDevice]
    beyond_bounds: set[str]


def within(bounds: Bounds, samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples that may be true of a device."""
    channels, most_w = bounds.channels, bounds.max_power_w
    return [one for one in samples if one.channel in channels and -most_w <= one.power_w <= most_w]


def _allowed(batch: Batch, devices: dict[str, RegisteredDevice]) -> tuple[Rows, Stored]:
    """Return what may be true of active devices, and of whom something is left out; without a call for each reading, for speed."""
    rows: Rows = []
    beyond_bounds: set[str] = set()
    for mac, samples in batch:
        device = devices.get(mac)
        if device is None or not device.is_active:
            continue
        device_id, channels, most_w = device.device_id, device.bounds.channels, device.bounds.max_power_w
        for sample in samples:
            if sample.channel in channels and -most_w <= sample.power_w <= most_w:
                rows.append((device_id, sample))
            else:
                beyond_bounds.add(mac)
    return rows, Stored(devices, beyond_bounds)


class ReadingTable:
    """The readings' table, over one database connection that is renewed when it was lost."""

    def __init__(self) -> None:
        self.conninfo = database_conninfo()
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._usual: dict[Series, int] = {}  # the usual kind of each channel that is known, and the kind of each other series
        self._returns = Returns()
        self._drops = DropLog()
        self._database_time: tuple[datetime, float] | None = None  # and when it was that, by time.monotonic()

    async def store(self, batch: Batch) -> Stored:
        """Store the samples of registered and active devices, by MAC, in one commit. What is beyond a device's bounds is left out.

        A connection that went stale is renewed once. Raises psycopg.Error, OSError (TimeoutError where the database stalls).
        """
        fresh = self._connection is None
        try:
            return await self._attempt(batch)
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            await self.close()
            if fresh:
                raise
        return await self._attempt(batch)

    @property
    def backend_pid(self) -> int | None:
        """The number of the database's process that serves the connection, None where there is none."""
        return self._connection.info.backend_pid if self._connection else None

    async def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            stale, self._connection = self._connection, None
            self._database_time = None
            await stale.close()

    async def _attempt(self, batch: Batch) -> Stored:
        """Save within ATTEMPT_TIMEOUT_S. Raises TimeoutError."""
        saving = asyncio.create_task(self._save(batch))
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                return await asyncio.shield(saving)
        finally:
            if not saving.done():
                await self.close()  # first, for psycopg would wait until the server confirms that it gave up
                saving.cancel()
                await asyncio.gather(saving, return_exceptions=True)

    async def _save(self, batch: Batch) -> Stored:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)
        now = await self._database_now(self._connection)
        devices = await registry().lookup({mac for mac, _samples in batch}, partial(fetch_devices, self._connection))
        rows, saved = _allowed(batch, devices)
        rows = await self._returns.honest(rows, self._returning)
        if rows and not await self._copy(self._plain(rows, now)):
            await self._store(self._connection, await self._fitting(self._connection, rows, now))
        return saved

    async def _returning(self, series: Sequence[Series]) -> dict[Series, bool]:
        assert self._connection is not None
        device_ids, channels = map(list, zip(*series, strict=True))
        cursor = await self._connection.execute(sql.RETURNING_CHANNELS, [device_ids, channels])
        return {(device_id, channel): returns for device_id, channel, returns in await cursor.fetchall()}

    async def _database_now(self, database: psycopg.AsyncConnection[tuple[Any, ...]]) -> datetime:
        """Return the database's time, asked once a minute: this machine's clock may be wrong."""
        if self._database_time is None or time.monotonic() - self._database_time[1] > CLOCK_EVERY_S:
            cursor = await database.execute("SELECT clock_timestamp()")
            ((now,),) = await cursor.fetchall()
            self._database_time = (now, time.monotonic())
        asked, since = self._database_time
        return asked + timedelta(seconds=time.monotonic() - since)

    async def _store(self, database: psycopg.AsyncConnection[tuple[Any, ...]], rows: Rows) -> None:
        """Store by the statement that notes what is to be noted, and remember the series."""
        cursor = await database.execute(sql.STORE_BY_ID, sql.store_parameters(rows))
        usual = {(device_id, channel): kind for _new, device_id, channel, kind in await cursor.fetchall()}
        self._usual |= usual
        for device_id, sample in rows:
            number = series_number(sample.channel, sample.kind, usual[device_id, sample.channel])
            if number >= CHANNELS:
                self._usual[device_id, number] = sample.kind

    async def _fitting(self, database: psycopg.AsyncConnection[tuple[Any, ...]], rows: Rows, now: datetime) -> Rows:
        """Return the rows without the late counters that don't fit between known ones."""
        recent = now - SURELY_RECENT
        late = [place for place, (_key, one) in enumerate(rows) if one.energy_wh is not None and one.time and one.time <= recent]
        if not late:
            return rows
        asked = [(key, one.channel, one.time, one.kind) for key, one in map(rows.__getitem__, late)]
        cursor = await database.execute(sql.NEIGHBOURS, [*map(list, zip(*asked, strict=True))])
        known = [
            Neighbours(late[at - 1], (rows[late[at - 1]][0], number), time, pair_of(*found[:2]), pair_of(*found[2:]))
            for at, number, time, *found in await cursor.fetchall()
        ]
        kept = fitting(rows, known)
        for device_id in {one[0] for one, was in zip(kept, rows, strict=True) if one is not was}:
            self._drops.add(f"device {device_id}", "late counters that fit nowhere; the readings are stored without them")
        return kept

    def _plain(self, rows: Rows, now: datetime) -> list[tuple[Any, ...]]:
        """Return the rows as sql.COPIED lists them, or none where there is something to note: a series is new, or a reading is late."""
        recent, usual, placed = now - SURELY_RECENT, self._usual, []
        for device_id, (channel, at, power_w, voltage_v, current_a, energy_wh, returned_wh, kind) in rows:
            number = channel if usual.get((device_id, channel)) == kind else self._number(device_id, channel, kind)
            if number is None or at is None or at <= recent:
                return []
            placed.append((device_id, number, at, power_w, voltage_v, current_a, energy_wh, returned_wh or None))
        return placed

    def _number(self, device_id: int, channel: int, kind: int) -> int | None:
        """Return the number of a series that is known, where the kind is not the channel's usual one."""
        known = self._usual.get((device_id, channel))
        if known is None or (kind and not known):
            return None
        number = series_number(channel, kind, known)
        return number if (device_id, number) in self._usual else None

    async def _copy(self, rows: list[tuple[Any, ...]]) -> bool:
        """Store by COPY; False where there are none, or a row is there already, and then none was stored."""
        assert self._connection is not None
        if not rows:
            return False
        try:
            async with self._connection.cursor() as cursor, cursor.copy(sql.COPY_READINGS) as copy:
                copy.set_types(sql.COPY_TYPES)
                for row in rows:
                    await copy.write_row(row)
        except psycopg.errors.UniqueViolation:
            return False
        return True
