"""Readings on their way to phones: from any process through Redis to the process whose sockets watch the device (`telemetry.live.hub`).

A process that serves sockets listens on one Redis channel, named after its hub. Which devices each hub wants stands in a sorted set
with a deadline each; a writer sends only those, one pipelined round trip a batch. A writer learns of a new entry in a moment and reads
all of them twice a second; until it has read them, it holds what nobody seems to want. So from the moment in which an entry stands in
Redis, no message that is committed later is missed. While Redis is away frames are lost: the next reading follows in seconds.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from common.async_tasks import end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from common.redis_sender import RedisSender
from telemetry.constants import LATE_AFTER
from telemetry.shelly.samples import Sample

# Entries are `<device id>:<hub id>`.
WATCHERS = "ecowatt:live:watchers"
NEW_WATCHERS = "ecowatt:live:new-watchers"
HUB_CHANNEL = "ecowatt:live:hub:{hub_id}"
# One text, whatever its length: the client spends more on each element of a list than Redis on each member of the set.
WATCHERS_NOW = "return table.concat(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf'), ' ')"
READ_EVERY_S = 0.5
PUBLISH_BACKLOG = 1_000
MOST_HELD = 20_000

Watchers = dict[int, set[str]]
# A frames.LiveReading on its way.
Row = tuple[int, float, float, float | None, float | None]


def watchers_in(entries: bytes) -> Watchers:
    """Return the ids of the hubs by device id."""
    found: Watchers = {}
    for entry in entries.split():
        device_id, _colon, hub_id = entry.partition(b":")
        found.setdefault(int(device_id), set()).add(hub_id.decode())
    return found


class LivePublisher(RedisSender):
    """Sends stored samples of watched devices, never making the writer wait."""

    what = "live frames"

    def __init__(self) -> None:
        super().__init__()
        self.watchers: Watchers = {}
        self.held: list[tuple[int, Sequence[Sample]]] = []
        self.pending: list[tuple[str, bytes]] = []
        self._listening = async_redis_client(SUBSCRIBER)
        self.tasks.append(asyncio.create_task(listen_for_ever(self._listen, what="watchers")))

    async def close(self) -> None:
        await end(self.tasks)
        await self._listening.aclose()
        await super().close()

    def publish(self, device_id: int, samples: Sequence[Sample]) -> None:
        """Send the messages that the samples came in to whoever watches the device; the oldest go when Redis can't keep up."""
        if device_id in self.watchers:
            self._queue(device_id, samples, is_held=False)
        elif samples:
            self.held.append((device_id, samples))
            if len(self.held) > MOST_HELD:
                del self.held[: MOST_HELD // 2]

    async def _listen(self) -> None:
        last_read = -READ_EVERY_S
        async with self._listening.pubsub() as pubsub:
            await pubsub.subscribe(NEW_WATCHERS)
            async for message in incoming(pubsub, poll_s=READ_EVERY_S):
                if message is not None and message["type"] == "message":
                    self._add(watchers_in(message["data"]))
                if time.monotonic() - last_read >= READ_EVERY_S:
                    await self._read()
                    last_read = time.monotonic()

    def _add(self, new: Watchers) -> None:
        for device_id, hub_ids in new.items():
            self.watchers.setdefault(device_id, set()).update(hub_ids)
        self._release(surely_unwatched=0)

    async def _read(self) -> None:
        held = len(self.held)
        entries = await self._listening.eval(WATCHERS_NOW, 1, WATCHERS, str(time.time()))
        self.watchers = watchers_in(entries)
        self._release(surely_unwatched=held)

    def _release(self, *, surely_unwatched: int) -> None:
        """Send what is held of devices that turned out to be watched, and forget what was held before they were read, the first so many."""
        held, self.held = self.held, []
        for number, (device_id, samples) in enumerate(held):
            if device_id in self.watchers:
                self._queue(device_id, samples, is_held=True)
            elif number >= surely_unwatched:
                self.held.append((device_id, samples))

    def _queue(self, device_id: int, samples: Sequence[Sample], *, is_held: bool) -> None:
        for message in messages_of(samples):
            text = orjson.dumps([device_id, is_held, *message])
            self.pending += [(hub_id, text) for hub_id in self.watchers[device_id]]
        del self.pending[:-PUBLISH_BACKLOG]
        self._wake.set()

    async def _send(self) -> None:
        pending, self.pending = self.pending, []
        async with self._redis.pipeline(transaction=False) as pipe:
            for hub_id, text in pending:
                pipe.publish(HUB_CHANNEL.format(hub_id=hub_id), text)
            await pipe.execute()


class Message(NamedTuple):
    """What a device said at one time (Unix): readings, and relays with whether they are on."""

    at: float
    readings: list[Row]
    outputs: list[tuple[int, bool]]


def messages_of(samples: Iterable[Sample]) -> Iterable[Message]:
    """Return what came at one time, which is one message of the device, for each time in its turn; what came late is no news."""
    now = datetime.now(UTC)
    messages: dict[datetime, Message] = {}
    for sample in samples:
        time = sample.time or now
        if time < now - LATE_AFTER:
            continue
        at = time.timestamp()
        message = messages.setdefault(time, Message(at, [], []))
        if sample.power_w is not None:
            message.readings.append((sample.channel, at, sample.power_w, sample.voltage_v, sample.current_a))
        if sample.output is not None:
            message.outputs.append((sample.channel, sample.output))
    return messages.values()
