"""The writer: many senders, one commit.

While a batch is being written, whatever arrives queues; all of it is the next batch. Each sender is answered after the commit that holds
its readings, so an answer is a promise.
"""

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
import structlog
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from telemetry import sql
from telemetry.live import LivePublisher
from telemetry.rows import columns
from telemetry.samples import Sample

log = structlog.get_logger(__name__)

BATCH_LIMIT = 5_000
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


class Outcome(Enum):
    """What became of a sender's readings."""

    STORED = "stored"
    UNKNOWN = "unknown"
    INACTIVE = "inactive"


class Overloaded(Exception):
    """More readings wait than TELEMETRY_QUEUE_LIMIT allows."""


class DatabaseAway(Exception):
    """The readings could not be stored; the sender keeps them."""


class _Entry(NamedTuple):
    mac: str
    samples: Sequence[Sample]
    answer: "asyncio.Future[Outcome]"


def database_conninfo() -> str:
    """Return libpq's address of the database that Django uses now (in tests, the test database)."""
    target = connection.settings_dict
    parts = {"dbname": target["NAME"], "user": target["USER"], "password": target["PASSWORD"], "host": target["HOST"]}
    parts["port"] = target["PORT"]
    libpq = {name: str(value) for name, value in target["OPTIONS"].items() if name in LIBPQ_OPTIONS}
    given = {name: str(value) for name, value in parts.items() if value}
    return make_conninfo("", **{"connect_timeout": str(CONNECT_TIMEOUT_S), "application_name": APPLICATION_NAME} | libpq | given)


class Writer:
    """Stores readings for the senders of one event loop, over one database connection of its own."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue()
        self._waiting = 0
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._conninfo = database_conninfo()
        self._publisher = LivePublisher()
        self._task = asyncio.create_task(self._run())

    async def store(self, mac: str, samples: Sequence[Sample]) -> Outcome:
        """Store a device's samples, each with a time, and return after the commit. Raises Overloaded, DatabaseAway."""
        if self._waiting + len(samples) > settings.TELEMETRY_QUEUE_LIMIT:
            raise Overloaded
        entry = _Entry(mac, samples, asyncio.get_running_loop().create_future())
        self._waiting += len(samples)
        self._queue.put_nowait(entry)
        return await entry.answer

    async def close(self) -> None:
        """Stop after the batch that is under way and let go of the connections."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._publisher.close()
        if self._connection:
            await self._connection.close()

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            rows = len(batch[0].samples)
            while rows < BATCH_LIMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
                rows += len(batch[-1].samples)
            await self._write(batch)
            self._waiting -= rows

    async def _write(self, batch: list[_Entry]) -> None:
        try:
            known = await self._execute(columns((entry.mac, sample) for entry in batch for sample in entry.samples))
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.error("readings not stored", readings=len(batch), error=type(error).__name__, reason=str(error).strip())
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(DatabaseAway())
            return
        for entry in batch:
            device = known.get(entry.mac)
            if not entry.answer.done():  # a sender that hung up no longer waits
                entry.answer.set_result(_outcome(device))
            if device and device[1]:
                self._publisher.publish(device[0], entry.samples)

    async def _execute(self, parameters: list[Any]) -> dict[str, tuple[int, bool]]:
        """Return id and activity of the batch's known devices by MAC. A connection that went stale is renewed once."""
        fresh = self._connection is None
        try:
            return await self._store(parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            await self._disconnect()
            if fresh:
                raise
        return await self._store(parameters)

    async def _store(self, parameters: list[Any]) -> dict[str, tuple[int, bool]]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
            )
        cursor = await self._connection.execute(sql.STORE_BY_MAC, parameters)
        return {mac: (device_id, active) for mac, device_id, active in await cursor.fetchall()}

    async def _disconnect(self) -> None:
        if self._connection is not None:
            stale, self._connection = self._connection, None
            await stale.close()


def _outcome(device: tuple[int, bool] | None) -> Outcome:
    if device is None:
        return Outcome.UNKNOWN
    return Outcome.STORED if device[1] else Outcome.INACTIVE


_writers: "WeakKeyDictionary[asyncio.AbstractEventLoop, Writer]" = WeakKeyDictionary()


def writer() -> Writer:
    """Return the writer of the running event loop: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _writers:
        _writers[loop] = Writer()
    return _writers[loop]
