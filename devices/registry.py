"""Which device has a MAC, remembered in each process and forgotten at once when a device changes.

A change is told to every process by a Redis message after its commit. While nothing proves that a process hears them, what it remembers
lives a few seconds only. An unknown MAC is never remembered: it may be registered the next moment.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import redis.asyncio

from common.async_tasks import end
from common.redis_channels import listen_for_ever, news
from common.redis_connections import SUBSCRIBER, async_redis_client
from devices.shelly_models import Bounds, bounds_of

CHANGES = "ecowatt:devices:changed"
DEAF_LIFE_S = 5.0
LONGEST_LIFE_S = 300.0
POLL_S = 0.5
# Every process would otherwise keep each device it ever heard of.
MOST = 200_000


class Entry(NamedTuple):
    """A registered device: whether its home has shown that it has it, and what its readings may be."""

    device_id: int
    is_active: bool
    is_proven: bool = True
    bounds: Bounds = bounds_of("")


Fetch = Callable[[list[str]], Awaitable[dict[str, Entry]]]


class DeviceRegistry:
    """Devices by MAC for one event loop."""

    def __init__(self) -> None:
        """Start listening for changes."""
        self._entries: dict[str, tuple[Entry, float]] = {}
        self._changes = 0
        self._heard = -math.inf
        self._redis = async_redis_client(SUBSCRIBER)
        self._task = asyncio.create_task(listen_for_ever(self._listen, what="device changes"))

    async def lookup(self, macs: Iterable[str], fetch: Fetch) -> dict[str, Entry]:
        """Return the registered devices among the MACs, asking the database for those that are not remembered."""
        now = time.monotonic()
        life = LONGEST_LIFE_S if now - self._heard < DEAF_LIFE_S else DEAF_LIFE_S
        found, missing = {}, []
        for mac in macs:
            entry, since = self._entries.get(mac, (None, 0.0))
            if entry is not None and now - since < life:
                found[mac] = entry
            else:
                missing.append(mac)
        if missing:
            before = self._changes
            fetched = await fetch(missing)
            found |= fetched
            if self._changes == before:  # else what was read may be older than the change
                self._remember(fetched, now)
        return found

    def _remember(self, entries: dict[str, Entry], now: float) -> None:
        if len(self._entries) + len(entries) > MOST:
            self._entries.clear()
        self._entries |= {mac: (entry, now) for mac, entry in entries.items()}

    async def close(self) -> None:
        """Stop listening."""
        await end([self._task])
        await self._redis.aclose()

    async def _listen(self) -> None:
        try:
            async with self._redis.pubsub() as messages:
                await messages.subscribe(CHANGES)
                await self._hear(messages)
        finally:
            self._heard = -math.inf

    async def _hear(self, messages: redis.asyncio.client.PubSub) -> None:
        """Forget each device that changes. What was remembered before the subscription took hold may be stale, so it goes."""
        async for message in news(messages, poll_s=POLL_S):
            if message is None:
                continue
            self._heard = time.monotonic()
            if message["type"] == "subscribe":
                self._changes += 1
                self._entries.clear()
            elif message["type"] == "message":
                self._changes += 1
                self._entries.pop(message["data"].decode(), None)


_registries: "WeakKeyDictionary[asyncio.AbstractEventLoop, DeviceRegistry]" = WeakKeyDictionary()


def registry() -> DeviceRegistry:
    """Return the registry of the running event loop: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _registries:
        _registries[loop] = DeviceRegistry()
    return _registries[loop]
