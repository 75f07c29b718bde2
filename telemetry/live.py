"""Readings on their way to phones: from any process through Redis to the sockets that watch the device.

A process that serves sockets keeps the ids it watches in a sorted set with a deadline each; a writer publishes only for those, one
pipelined round trip a batch. Losing a frame is harmless: the next reading follows in seconds.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

import orjson
import redis.asyncio
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from telemetry.outlet import Outlet, away_is_harmless
from telemetry.samples import Sample

log = structlog.get_logger(__name__)

WATCHED = "ecowatt:live:watched"
CHANNEL = "ecowatt:live:{device_id}"
WATCH_S = 30
REFRESH_S = 10
LOOK_S = 0.5
PUBLISH_BACKLOG = 1_000
CLIENT_BACKLOG = 64
RETRY_S = 1


def frame(channel: int, at: datetime, power_w: float, voltage_v: float | None, current_a: float | None) -> str:
    """Return a live frame. The app reads numbers only, so a voltage or current that is not known is 0."""
    return orjson.dumps(
        {
            "watts": power_w,
            "volts": voltage_v or 0.0,
            "amps": current_a or 0.0,
            "channel": channel,
            "time": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        }
    ).decode()


class LivePublisher(Outlet):
    """Publishes stored samples of watched devices, never making the writer wait."""

    what = "live frames"

    def __init__(self) -> None:
        """Start looking for watched devices."""
        super().__init__()
        self._watched: set[int] | None = None  # not known yet: publish everything
        self._pending: list[tuple[int, str]] = []
        self._tasks.append(asyncio.create_task(self._look()))

    def publish(self, device_id: int, samples: Iterable[Sample]) -> None:
        """Queue frames for whoever watches the device; the oldest go when Redis can't keep up."""
        if self._watched is not None and device_id not in self._watched:
            return
        self._pending += [(device_id, frame(s.channel, s.time or datetime.now(UTC), *s[2:5])) for s in samples]
        del self._pending[:-PUBLISH_BACKLOG]
        self._wake.set()

    async def _look(self) -> None:
        while True:
            with away_is_harmless(self.what):
                ids = await self._redis.zrangebyscore(WATCHED, time.time(), "+inf")
                self._watched = {int(device_id) for device_id in ids}  # type: ignore[arg-type]
            await asyncio.sleep(LOOK_S)

    async def _send(self) -> None:
        pending, self._pending = self._pending, []
        async with self._redis.pipeline(transaction=False) as pipe:
            for device_id, text in pending:
                pipe.publish(CHANNEL.format(device_id=device_id), text)
            await pipe.execute()


class LiveHub:
    """One Redis subscription for all sockets of an event loop."""

    def __init__(self) -> None:
        """Connect when the first socket comes."""
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, health_check_interval=15)
        self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        self._clients: dict[int, set[asyncio.Queue[str | None]]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def watch(self, device_id: int) -> AsyncIterator["asyncio.Queue[str | None]"]:
        """Yield a queue of the device's frames; a None in it says that the client was too slow and misses frames. Raises RedisError."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(CLIENT_BACKLOG)
        self._clients[device_id].add(queue)
        try:
            await self._pubsub.subscribe(CHANNEL.format(device_id=device_id))
            await self._announce([device_id])
            if not self._tasks:
                self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._renew())]
            yield queue
        finally:
            self._clients[device_id].discard(queue)
            if not self._clients[device_id]:
                del self._clients[device_id]
                with away_is_harmless("live frames"):
                    await self._pubsub.unsubscribe(CHANNEL.format(device_id=device_id))

    async def close(self) -> None:
        """Stop and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()

    async def _announce(self, device_ids: Iterable[int]) -> None:
        deadline = time.time() + WATCH_S
        marks = {str(device_id): deadline for device_id in device_ids}
        if marks:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(WATCHED, marks)
                pipe.zremrangebyscore(WATCHED, "-inf", time.time())
                await pipe.execute()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            with away_is_harmless("live frames"):
                await self._announce(self._clients)

    async def _read(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
            except (RedisError, OSError) as error:  # redis-py subscribes again when it reconnects
                log.warning("live frames not received: Redis is away", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
                continue
            if message and message["type"] == "message":
                self._hand_out(int(message["channel"].rsplit(b":", 1)[1]), message["data"].decode())

    def _hand_out(self, device_id: int, text: str) -> None:
        for queue in list(self._clients.get(device_id, ())):
            if queue.full():
                queue.get_nowait()
                queue.put_nowait(None)
                self._clients[device_id].discard(queue)
            else:
                queue.put_nowait(text)


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, LiveHub]" = WeakKeyDictionary()


def hub() -> LiveHub:
    """Return the hub of the running event loop: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = LiveHub()
    return _hubs[loop]
