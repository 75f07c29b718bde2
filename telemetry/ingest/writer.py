"""The writer: many senders, one commit.

While a batch is being written, whatever arrives queues; all of it is the next batch. Each sender is answered after the commit that holds
its readings, so an answer is a promise.
"""

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple
from weakref import WeakKeyDictionary

import psycopg
import structlog
from django.conf import settings

from common.async_tasks import end
from devices.registry import Entry
from telemetry.ingest.copy import Saved, Store, within
from telemetry.ingest.reporters import PresenceOutlet
from telemetry.live.publisher import LivePublisher
from telemetry.shelly.samples import Sample

log = structlog.get_logger(__name__)

BATCH_LIMIT = 5_000


class Outcome(Enum):
    """What became of a sender's readings."""

    STORED = "stored"
    UNPROVEN = "unproven"
    PARTLY = "partly"  # what is beyond the device's bounds is left out
    UNKNOWN = "unknown"
    INACTIVE = "inactive"

    @property
    def is_stored(self) -> bool:
        """Whether what may be true of the readings is in the database; of an unproven device it is, too."""
        return self in (Outcome.STORED, Outcome.UNPROVEN, Outcome.PARTLY)


class Overloaded(Exception):
    """More readings wait than TELEMETRY_QUEUE_LIMIT allows."""


class DatabaseAway(Exception):
    """The readings could not be stored; the sender keeps them."""


class Refused(DatabaseAway):
    """The database refuses a value among the readings, and would again."""


Readings = Sequence[tuple[str, Sequence[Sample]]]


class _Entry(NamedTuple):
    readings: Readings
    shown: Readings
    size: int
    answer: "asyncio.Future[dict[str, Outcome]]"


class Writer:
    """Stores readings for the senders of one event loop, over one database connection of its own."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue()
        self._waiting = 0
        self._store = Store()
        self._publisher = LivePublisher()
        self.presence = PresenceOutlet()
        self._task = asyncio.create_task(self._run())

    async def store(self, readings: Readings, shown: Readings = ()) -> dict[str, Outcome]:
        """Store samples, each with a time, by MAC; return what became of each MAC's after the commit.

        Those of `shown`, which is for MACs among these, go to phones and are not stored.
        Raises Overloaded, DatabaseAway, Refused: then nothing of it may be taken as stored, and storing it again is harmless.
        """
        if self._task.done():
            raise DatabaseAway
        size = sum([len(samples) for _mac, samples in readings])
        if self._waiting + size > settings.TELEMETRY_QUEUE_LIMIT and self._waiting:
            raise Overloaded
        self._waiting += size
        entry = _Entry(readings, shown, size, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(entry)
        return await entry.answer

    async def close(self) -> None:
        """Stop, tell whoever still waits that nothing is stored, and let go of the connections."""
        if _writers.get(asyncio.get_running_loop()) is self:
            del _writers[asyncio.get_running_loop()]
        await end([self._task])
        while not self._queue.empty():
            _fail([self._queue.get_nowait()])
        await self._publisher.close()
        await self.presence.close()
        await self._store.close()

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            rows = batch[0].size
            while rows < BATCH_LIMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
                rows += batch[-1].size
            try:
                await self._write(batch)
            finally:
                self._waiting -= rows
                _fail(batch)  # whoever has no answer yet, since the writer was closed

    async def _write(self, batch: list[_Entry]) -> None:
        """Store the batch and answer its senders; one reading that the database refuses fails no other sender's."""
        try:
            saved = await self._store.save([one for entry in batch for one in entry.readings])
        except psycopg.DataError as error:
            log.error("readings refused by the database", readings=len(batch), reason=str(error).strip())
            if len(batch) == 1:
                _fail(batch, Refused())
            else:
                for entry in batch:
                    await self._write([entry])
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.error("readings not stored", senders=len(batch), error=type(error).__name__, reason=str(error).strip())
            _fail(batch)
        except Exception:
            log.exception("readings not stored")
            _fail(batch)
        else:
            self._answer(batch, saved)

    def _answer(self, batch: list[_Entry], saved: Saved) -> None:
        known, cut = saved
        for entry in batch:
            outcomes = {mac: _outcome(known.get(mac), samples if mac in cut else ()) for mac, samples in entry.readings}
            if not entry.answer.done():  # a sender that hung up no longer waits
                entry.answer.set_result(outcomes)
            for mac, samples in (*entry.readings, *entry.shown):
                if (device := known.get(mac)) is not None and device.is_active:
                    is_whole = mac not in cut and not entry.shown
                    self._publisher.publish(device.device_id, samples if is_whole else within(device.bounds, samples))


def _fail(batch: list[_Entry], error: DatabaseAway | None = None) -> None:
    for entry in batch:
        if not entry.answer.done():
            entry.answer.set_exception(error or DatabaseAway())


def _outcome(device: Entry | None, suspected: Sequence[Sample]) -> Outcome:
    if device is None:
        return Outcome.UNKNOWN
    if not device.is_active:
        return Outcome.INACTIVE
    if suspected and len(within(device.bounds, suspected)) < len(suspected):
        return Outcome.PARTLY
    return Outcome.STORED if device.is_proven else Outcome.UNPROVEN


_writers: "WeakKeyDictionary[asyncio.AbstractEventLoop, Writer]" = WeakKeyDictionary()


def writer() -> Writer:
    """Return the writer of the running event loop: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _writers:
        _writers[loop] = Writer()
    return _writers[loop]
