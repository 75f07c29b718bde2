"""The writer's own connection to the database: opened when it is needed, given up when it stalls, and opened anew once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

# Work is tried twice at most, so a sender waits less than 20 s for a database that stalls.
ATTEMPT_TIMEOUT_S = 9.0
STATEMENT_TIMEOUT_MS = 8_000
CLOCK_EVERY_S = 60.0
APPLICATION_NAME = "ecowatt-writer"
# A connection that was cut off silently is noticed in seconds.
DEFAULTS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}

Database = psycopg.AsyncConnection[tuple[Any, ...]]
Result = TypeVar("Result")


def database_conninfo() -> str:
    """Return libpq's address of the database that Django uses now (in tests, the test database), with what is libpq's of its OPTIONS."""
    keywords = {option.keyword.decode() for option in Conninfo.get_defaults()}
    parameters: dict[str, Any] = DEFAULTS | connection.get_connection_params() | {"application_name": APPLICATION_NAME}
    ours = {name: str(value) for name, value in parameters.items() if name in keywords and value is not None}
    ours["options"] = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} {ours.get('options', '')}".strip()
    return make_conninfo("", **ours)


class WriterConnection:
    """A connection that commits each statement by itself, for one task at a time."""

    def __init__(self) -> None:
        self.conninfo = database_conninfo()
        self._database: Database | None = None
        self._database_time: tuple[datetime, float] | None = None  # and when it was that, by time.monotonic()

    @property
    def backend_pid(self) -> int | None:
        """The number of the database's process that serves the connection, None where there is none."""
        return self._database.info.backend_pid if self._database else None

    async def run(self, work: Callable[[Database], Awaitable[Result]]) -> Result:
        """Return what the work does with the database; where the connection went stale, it does it again with another one.

        Raises psycopg.Error, OSError (TimeoutError where the database stalls).
        """
        was_open = self._database is not None
        try:
            return await self._attempt(work)
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            await self.close()
            if not was_open:
                raise
        return await self._attempt(work)

    async def close(self) -> None:
        if self._database is not None:
            stale, self._database = self._database, None
            self._database_time = None
            await stale.close()

    async def now(self, database: Database) -> datetime:
        """Return the database's time, asked once a minute: this machine's clock may be wrong."""
        if self._database_time is None or time.monotonic() - self._database_time[1] > CLOCK_EVERY_S:
            cursor = await database.execute("SELECT clock_timestamp()")
            ((now,),) = await cursor.fetchall()
            self._database_time = (now, time.monotonic())
        asked, since = self._database_time
        return asked + timedelta(seconds=time.monotonic() - since)

    async def _attempt(self, work: Callable[[Database], Awaitable[Result]]) -> Result:
        """Do it within ATTEMPT_TIMEOUT_S. Raises TimeoutError."""
        working = asyncio.create_task(self._work(work))
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                return await asyncio.shield(working)
        finally:
            if not working.done():
                await self.close()  # first, for psycopg would wait until the server confirms that it gave up
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def _work(self, work: Callable[[Database], Awaitable[Result]]) -> Result:
        if self._database is None:
            self._database = await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)
        return await work(self._database)
