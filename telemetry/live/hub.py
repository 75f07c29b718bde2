"""What phones watch, received once for all sockets of a process.

Not channels_redis: beside pipelined pub/sub, a message from one process to one socket took 6 times the CPU time with its pub/sub layer (527
and 83 µs, Redis 6.2) and 31 times with its other one; and neither tells a writer which devices nobody watches.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from enum import IntEnum

import orjson

from common.async_tasks import OnePerLoop, end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from common.redis_sender import RedisSender
from telemetry.live.frames import LiveChannels, LiveReading
from telemetry.live.publisher import HUB_CHANNEL, NEW_WATCHERS, WATCHERS, Row

WATCH_S = 30
REFRESH_S = 5
POLL_S = 0.5
# How long a new socket waits for Redis; then it is open and silent until Redis is back.
READY_S = 2.0
CLIENT_BACKLOG = 64


class CloseCode(IntEnum):
    """Why a socket is closed. The app takes 1000 for final and retries the others; Daphne sends none of the standard's others."""

    GONE = 1000
    SESSION_ENDED = 4401
    TOO_SLOW = 4408
    TRY_AGAIN = 4503


class Frames(asyncio.Queue[str | CloseCode]):
    """The frames of one socket; a close code among them is the last."""

    def __init__(self) -> None:
        super().__init__(CLIENT_BACKLOG)

    def end(self, code: CloseCode) -> None:
        """Drop what waits, and have the socket closed."""
        self.forget()
        self.put_nowait(code)

    def forget(self) -> None:
        while not self.empty():
            self.get_nowait()


class WatchedDevice:
    """A device with the sockets that watch it."""

    def __init__(self) -> None:
        self.state = LiveChannels()
        self.sockets: set[Frames] = set()


class WatchRegistration(RedisSender):
    """Registers in Redis which devices a hub wants, many in one round trip where many sockets come at once."""

    what = "watched devices"

    def __init__(self, hub_id: str) -> None:
        super().__init__()
        self._hub_id = hub_id
        self._waiting: list[tuple[list[int], asyncio.Future[None]]] = []

    def register(self, device_ids: Iterable[int]) -> "asyncio.Future[None]":
        """Have it stand in Redis that the devices are watched; the future is done then, and where Redis is away, too."""
        registered = asyncio.get_running_loop().create_future()
        self._waiting.append((list(device_ids), registered))
        self._wake.set()
        return registered

    async def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            await self._write({f"{device_id}:{self._hub_id}" for device_ids, _registered in waiting for device_id in device_ids})
        finally:
            for _device_ids, registered in waiting:
                if not registered.done():
                    registered.set_result(None)

    async def _write(self, entries: set[str]) -> None:
        if not entries:
            return
        now = time.time()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(WATCHERS, dict.fromkeys(entries, now + WATCH_S))
            pipe.zremrangebyscore(WATCHERS, "-inf", now)
            pipe.publish(NEW_WATCHERS, " ".join(entries))
            await pipe.execute()


class LiveHub:
    """One Redis subscription for all sockets of an event loop: to its own channel, to which writers send what these sockets watch."""

    def __init__(self) -> None:
        self.hub_id = secrets.token_hex(4)
        self._redis = async_redis_client(SUBSCRIBER)
        self._devices: dict[int, WatchedDevice] = {}
        self._registration = WatchRegistration(self.hub_id)
        self._is_subscribed = asyncio.Event()
        self.task = asyncio.create_task(listen_for_ever(self._listen, what="live frames"))

    @contextlib.asynccontextmanager
    async def watch(self, device_id: int) -> AsyncIterator[Frames]:
        """Yield a queue that gets the frame of every message of the device that is committed from now on.

        Where Redis is away it gets them when Redis is back. A client that is too slow misses frames and finds a close code instead.
        """
        frames = Frames()
        device = self._devices.setdefault(device_id, WatchedDevice())
        device.sockets.add(frames)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READY_S):
                    await self._is_subscribed.wait()
                    await self._registration.register([device_id])
            yield frames
        finally:
            device.sockets.discard(frames)
            if not device.sockets and self._devices.get(device_id) is device:
                del self._devices[device_id]

    def recall(self, device_id: int, frames: Frames, stored: Iterable[LiveReading], outputs: Mapping[int, bool]) -> LiveChannels:
        """Add what the database knows of a watched device to what was heard, and return it; the queue begins anew after it."""
        state = self._devices[device_id].state
        state.recall(stored, outputs)
        frames.forget()
        return state

    @property
    def watched(self) -> set[int]:
        """The ids of the devices that sockets watch."""
        return set(self._devices)

    async def close(self) -> None:
        hub.forget(self)
        await end([self.task])
        await self._registration.close()
        await self._redis.aclose()

    async def _listen(self) -> None:
        """Hand out what comes on the channel. Raises RedisError, OSError."""
        renewed = 0.0
        try:
            async with self._redis.pubsub() as pubsub:
                await pubsub.subscribe(HUB_CHANNEL.format(hub_id=self.hub_id))
                async for message in incoming(pubsub, poll_s=POLL_S):
                    if message is not None and message["type"] == "message":
                        self.hand_out(*orjson.loads(message["data"]))
                    elif message is not None and message["type"] == "subscribe":
                        self._is_subscribed.set()
                    if self._is_subscribed.is_set() and time.monotonic() - renewed > REFRESH_S:
                        self._registration.register(self._devices)
                        renewed = time.monotonic()
        finally:
            self._is_subscribed.clear()

    def hand_out(self, device_id: int, is_held: bool, at: float, rows: list[Row], outputs: list[tuple[int, bool]]) -> None:
        """Give a message to the sockets of its device, unless it says nothing new.

        What was held for a while may be known from the database already, and devices repeat what their relays are.
        """
        device = self._devices.get(device_id)
        readings, switched = [LiveReading(*row) for row in rows], dict(outputs)
        if device is None or ((is_held or not readings) and device.state.knows(readings, switched)):
            return
        device.state.learn(readings, switched)
        if (text := device.state.frame(at)) is None:
            return
        for frames in list(device.sockets):
            if frames.full():
                frames.end(CloseCode.TOO_SLOW)
                device.sockets.discard(frames)
            else:
                frames.put_nowait(text)


hub = OnePerLoop(LiveHub)
