"""What phones watch, heard once for all sockets of a process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from weakref import WeakKeyDictionary

import redis.asyncio

from ecowatt.subscriptions import listen_for_ever, listening_client, news
from ecowatt.tasks import end
from telemetry.live import CHANNEL, WATCHED

WATCH_S = 30
REFRESH_S = 10
# How soon the listening task sees that a socket came or went.
POLL_S = 0.1
CLIENT_BACKLOG = 64

Frames = asyncio.Queue[str | None]


class LiveHub:
    """One Redis subscription for all sockets of an event loop. A single task owns it; sockets only say what they watch."""

    def __init__(self) -> None:
        """Wait for the first socket."""
        self._redis = listening_client()
        self._clients: dict[int, set[Frames]] = {}
        self._is_watched = asyncio.Event()
        self._has_changed = False
        self._task = asyncio.create_task(listen_for_ever(self._listen, what="live frames"))

    @contextlib.asynccontextmanager
    async def watch(self, device_id: int) -> AsyncIterator[Frames]:
        """Yield a queue of the device's frames, which come in a moment, or when Redis is back where it is away.

        A None in it says that the client was too slow and misses frames.
        """
        queue = Frames(CLIENT_BACKLOG)
        self._clients.setdefault(device_id, set()).add(queue)
        self._has_changed = True
        self._is_watched.set()
        try:
            yield queue
        finally:
            queues = self._clients.get(device_id, set())
            queues.discard(queue)
            if not queues:
                self._clients.pop(device_id, None)
                self._has_changed = True

    async def close(self) -> None:
        """Stop and disconnect."""
        await end([self._task])
        await self._redis.aclose()

    async def _listen(self) -> None:
        """Hand out frames of what is watched until nothing is. Raises RedisError, OSError."""
        while not self._clients:
            self._is_watched.clear()
            await self._is_watched.wait()
        async with self._redis.pubsub() as pubsub:
            followed: set[int] = set()
            self._has_changed = True
            await self._follow(pubsub, followed)
            renewed = time.monotonic()
            async for message in news(pubsub, poll_s=POLL_S):
                if message is not None and message["type"] == "message":
                    self._hand_out(int(message["channel"].rsplit(b":", 1)[1]), message["data"].decode())
                await self._follow(pubsub, followed)
                if not followed:
                    return
                if time.monotonic() - renewed > REFRESH_S:
                    renewed = time.monotonic()
                    await self._announce(followed)

    async def _follow(self, pubsub: redis.asyncio.client.PubSub, followed: set[int]) -> None:
        """Subscribe to what is watched and to nothing else, and announce what is new."""
        if not self._has_changed:  # asked after each frame, so it must not look at all sockets
            return
        self._has_changed = False
        new, gone = self._clients.keys() - followed, followed - self._clients.keys()
        followed.difference_update(gone)
        followed.update(new)
        if gone:
            await pubsub.unsubscribe(*map(_channel, gone))
        if new:
            await pubsub.subscribe(*map(_channel, new))
            await self._announce(new)

    async def _announce(self, device_ids: Iterable[int]) -> None:
        now = time.time()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(WATCHED, {str(device_id): now + WATCH_S for device_id in device_ids})
            pipe.zremrangebyscore(WATCHED, "-inf", now)
            await pipe.execute()

    def _hand_out(self, device_id: int, text: str) -> None:
        for queue in list(self._clients.get(device_id, ())):
            if queue.full():
                queue.get_nowait()
                queue.put_nowait(None)
                self._clients[device_id].discard(queue)
            else:
                queue.put_nowait(text)


def _channel(device_id: int) -> str:
    return CHANNEL.format(device_id=device_id)


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, LiveHub]" = WeakKeyDictionary()


def hub() -> LiveHub:
    """Return the hub of the running event loop: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = LiveHub()
    return _hubs[loop]
