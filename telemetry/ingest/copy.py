"""Rows into the readings' table, the fast way where it can be taken: a binary COPY that commits by itself.

COPY knows no ON CONFLICT, and late readings and new channels have to be noted in the same transaction. A batch with any of these takes
the slower statement that does it all.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import psycopg

from devices.registry import RegisteredDevice, fetch_devices, registry
from devices.shelly_models import Bounds
from telemetry.constants import SURELY_RECENT
from telemetry.ingest import late_counters, sql
from telemetry.ingest.drop_log import DropLog
from telemetry.ingest.returned_energy import ReturnedEnergy, Rows, Series
from telemetry.ingest.writer_connection import Database, WriterConnection
from telemetry.shelly.component_kinds import CHANNELS, series_number
from telemetry.shelly.samples import Sample

# The samples of each sender by MAC, and the digest of its key (as KeyRule.admits takes it): one MAC may come several times.
Batch = Sequence[tuple[str, Sequence[Sample], bytes | None]]


class Stored(NamedTuple):
    """The registered devices among those of a batch, by MAC, and the MACs of which something was beyond the device's bounds."""

    devices: dict[str, RegisteredDevice]
    beyond_bounds: set[str]


def within(bounds: Bounds, samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples that may be true of a device."""
    channels, most_w = bounds.channels, bounds.max_power_w
    return [one for one in samples if one.channel in channels and (one.power_w is None or -most_w <= one.power_w <= most_w)]


def _allowed(batch: Batch, devices: dict[str, RegisteredDevice]) -> tuple[Rows, Stored]:
    """Return what may be true of active devices, of senders that may speak for them, and of whom something is left out.

    Without a call for each reading, for speed.
    """
    rows: Rows = []
    beyond_bounds: set[str] = set()
    for mac, samples, key in batch:
        device = devices.get(mac)
        if device is None or not device.is_active or not (key is None or device.key.admits(key)):
            continue
        device_id, channels, most_w = device.device_id, device.bounds.channels, device.bounds.max_power_w
        if device.since is not None:
            samples = [one for one in samples if one.time and one.time >= device.since]
        for sample in samples:
            power_w = sample.power_w
            if sample.channel not in channels or not (power_w is None or -most_w <= power_w <= most_w):
                beyond_bounds.add(mac)
            elif power_w is not None:
                rows.append((device_id, sample))
    return rows, Stored(devices, beyond_bounds)


class ReadingTable:
    """The readings' table, over a connection of its own."""

    def __init__(self) -> None:
        self.connection = WriterConnection()
        self._kinds: dict[Series, int] = {}  # the usual kind of each channel that is known, and the kind of each other series
        self._returned_energy = ReturnedEnergy()
        self._drops = DropLog()

    async def store(self, batch: Batch) -> Stored:
        """Store the samples of registered and active devices, by MAC, in one commit. What is beyond a device's bounds is left out.

        Raises psycopg.Error, OSError (TimeoutError where the database stalls).
        """
        return await self.connection.run(partial(self._store, batch))

    async def _store(self, batch: Batch, database: Database) -> Stored:
        recent = await self.connection.now(database) - SURELY_RECENT
        devices = await registry().lookup({mac for mac, _samples, _key in batch}, partial(fetch_devices, database))
        rows, stored = _allowed(batch, devices)
        rows = await self._returned_energy.checked(rows, database)
        if rows and not await _copied(self._placed(rows, recent), database):
            await self._insert(await self._fitting(rows, recent, database), database)
        return stored

    async def _insert(self, rows: Rows, database: Database) -> None:
        """Store by the statement that notes what is to be noted, and remember the series."""
        cursor = await database.execute(sql.STORE_BY_ID, sql.store_parameters(rows))
        usual = {(device_id, channel): kind for _new, device_id, channel, kind in await cursor.fetchall()}
        self._kinds |= usual
        for device_id, sample in rows:
            number = series_number(sample.channel, sample.kind, usual[device_id, sample.channel])
            if number >= CHANNELS:
                self._kinds[device_id, number] = sample.kind

    async def _fitting(self, rows: Rows, recent: datetime, database: Database) -> Rows:
        checked = await late_counters.checked(rows, recent, database)
        for device_id in {row[0] for row, was in zip(checked, rows, strict=True) if row is not was}:
            self._drops.add(f"device {device_id}", "late counters that fit nowhere; the readings are stored without them")
        return checked

    def _placed(self, rows: Rows, recent: datetime) -> list[tuple[Any, ...]]:
        """Return the rows as sql.COPIED lists them, or none where there is something to note: a series is new, or a reading is late."""
        kinds, placed = self._kinds, []
        for device_id, (channel, at, power_w, voltage_v, current_a, energy_wh, returned_wh, kind, _output) in rows:
            number = channel if kinds.get((device_id, channel)) == kind else self._number(device_id, channel, kind)
            if number is None or at is None or at <= recent:
                return []
            placed.append((device_id, number, at, power_w, voltage_v, current_a, energy_wh, returned_wh or None))
        return placed

    def _number(self, device_id: int, channel: int, kind: int) -> int | None:
        """Return the number of a series that is known, where the kind is not the channel's usual one."""
        usual = self._kinds.get((device_id, channel))
        if usual is None or (kind and not usual):
            return None
        number = series_number(channel, kind, usual)
        return number if (device_id, number) in self._kinds else None


async def _copied(rows: list[tuple[Any, ...]], database: Database) -> bool:
    """Store by COPY; False where there are none, or a row is there already, and then none was stored."""
    if not rows:
        return False
    try:
        async with database.cursor() as cursor, cursor.copy(sql.COPY_READINGS) as copy:
            copy.set_types(sql.COPY_TYPES)
            for row in rows:
                await copy.write_row(row)
    except psycopg.errors.UniqueViolation:
        return False
    return True
