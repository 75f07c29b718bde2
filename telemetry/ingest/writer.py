"""The writer: many senders, one commit.

While a batch is being written, whatever arrives queues; all of it is the next batch. Each sender is answered after the commit that holds
its readings, so an answer is a promise.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg
import structlog
from django.conf import settings

from common.async_tasks import OnePerLoop, end
from devices.presence.reporter import presence_reporter
from devices.registry import RegisteredDevice
from telemetry.ingest.copy import ReadingTable, Stored, within
from telemetry.live.publisher import LivePublisher
from telemetry.shelly.samples import Sample

log = structlog.get_logger(__name__)

BATCH_LIMIT = 5_000

SamplesByMac = Mapping[str, Sequence[Sample]]


class Outcome(NamedTuple):
    """What became of a device's samples. is_partial: some were beyond its bounds.

    device: None where no home has registered it, or where it refuses its sender, which may not tell the one from the other (refused_by).
    """

    device: RegisteredDevice | None
    is_partial: bool = False
    refused_by: RegisteredDevice | None = None

    @property
    def is_stored(self) -> bool:
        """Whether what may be true of the samples is in the database; of an unproven device it is, too."""
        return self.device is not None and self.device.is_active

    @property
    def needs_proof(self) -> bool:
        """Whether no home has the device, or one without a proof, so that what it sent may show whose it is.

        It counts where a device refuses it, too: its key shows nothing of an unproven claim.
        """
        device = self.device or self.refused_by
        return device is None or (device.is_active and not device.is_proven and not self.is_partial)

    @property
    def is_claimed(self) -> bool:
        return self.device is not None or self.refused_by is not None


class Overloaded(Exception):
    """More readings wait than TELEMETRY_QUEUE_LIMIT allows."""


class DatabaseAway(Exception):
    """The readings could not be stored; the sender keeps them."""


class Refused(DatabaseAway):
    """The database refuses a value among the readings, and would again."""


class _Queued(NamedTuple):
    """What one sender waits for."""

    samples: SamplesByMac
    shown: SamplesByMac
    key: bytes | None
    size: int
    outcomes: "asyncio.Future[dict[str, Outcome]]"


class Writer:
    """Stores readings for the senders of one event loop, over one database connection of its own."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[_Queued] = asyncio.Queue()
        self._waiting = 0
        self.table = ReadingTable()
        self._publisher = LivePublisher()
        self._task = asyncio.create_task(self._run())

    async def store(
        self, samples: SamplesByMac, shown: SamplesByMac | None = None, *, key: bytes | None = None
    ) -> dict[str, Outcome]:
        """Store samples, each with a time; return by MAC what became of them, after the commit.

        Those of `shown`, of MACs among these, go to phones and are not stored. `key` is what their sender presented (KeyRule.admits).
        Raises Overloaded, DatabaseAway, Refused: then nothing of it may be taken as stored, and storing it again is harmless.
        """
        if self._task.done():
            raise DatabaseAway
        size = sum(map(len, samples.values()))
        if self._waiting + size > settings.TELEMETRY_QUEUE_LIMIT and self._waiting:
            raise Overloaded
        self._waiting += size
        queued = _Queued(samples, shown or {}, key, size, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(queued)
        return await queued.outcomes

    async def close(self) -> None:
        """Stop, answer whoever still waits that nothing is stored, and disconnect."""
        writer.forget(self)
        await end([self._task])
        while not self._queue.empty():
            _fail([self._queue.get_nowait()])
        await self._publisher.close()
        await self.table.connection.close()

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            size = batch[0].size
            while size < BATCH_LIMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
                size += batch[-1].size
            try:
                await self._write(batch)
            finally:
                self._waiting -= size
                _fail(batch)  # whoever has no answer yet, since the writer was closed

    async def _write(self, batch: list[_Queued]) -> None:
        """Store the batch and answer its senders; one reading that the database refuses fails no other sender's."""
        try:
            stored = await self.table.store([(*one, queued.key) for queued in batch for one in queued.samples.items()])
        except psycopg.DataError as error:
            log.error("readings refused by the database", readings=len(batch), reason=str(error).strip())
            if len(batch) == 1:
                _fail(batch, Refused())
            else:
                for queued in batch:
                    await self._write([queued])
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.error("readings not stored", senders=len(batch), error=type(error).__name__, reason=str(error).strip())
            _fail(batch)
        except Exception:
            log.exception("readings not stored")
            _fail(batch)
        else:
            self._answer(batch, stored)

    def _answer(self, batch: list[_Queued], stored: Stored) -> None:
        for queued in batch:
            outcomes = {mac: _outcome(stored, mac, samples, queued.key) for mac, samples in queued.samples.items()}
            if not queued.outcomes.done():  # a sender that hung up no longer waits
                queued.outcomes.set_result(outcomes)
            for mac, samples in (*queued.samples.items(), *queued.shown.items()):
                device, is_partial, _refused_by = outcomes[mac]
                if device is not None and device.is_active:
                    is_checked = not is_partial and not queued.shown
                    said = samples if is_checked else within(device.bounds, samples)
                    self._publisher.publish(device.device_id, said)
                    _report_relays(device.device_id, said)


def _outcome(stored: Stored, mac: str, samples: Sequence[Sample], key: bytes | None) -> Outcome:
    device = stored.devices.get(mac)
    if device is not None and not device.key.admits(key):
        return Outcome(None, refused_by=device)
    if device is None or mac not in stored.beyond_bounds:
        return Outcome(device)
    return Outcome(device, is_partial=len(within(device.bounds, samples)) < len(samples))  # it may be another sender's alone


def _report_relays(device_id: int, samples: Sequence[Sample]) -> None:
    for one in samples:
        if one.output is not None and one.time is not None:
            presence_reporter().relay(device_id, one.channel, one.time, is_on=one.output)


def _fail(batch: list[_Queued], error: DatabaseAway | None = None) -> None:
    for queued in batch:
        if not queued.outcomes.done():
            queued.outcomes.set_exception(error or DatabaseAway())


writer = OnePerLoop(Writer)
