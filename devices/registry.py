"""Which device has a MAC, remembered in each process and forgotten at once when a device changes.

A change is told to every process by a Redis message after its commit. While a process can't hear them, what it remembers lives a few
seconds only. An unknown MAC is never remembered: it may be registered the next moment.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import redis.asyncio
import structlog
from django.conf import settings
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

CHANGES = "ecowatt:devices:changed"
DEAF_LIFE_S = 5.0
LONGEST_LIFE_S = 300.0
RETRY_S = 1.0
# Every process would otherwise keep each device it ever heard of.
MOST = 200_000


class Entry(NamedTuple):
    """A registered device."""

    device_id: int
    is_active: bool


Fetch = Callable[[list[str]], Awaitable[dict[str, Entry]]]


class DeviceRegistry:
    """Devices by MAC for one event loop."""

    def __init__(self) -> None:
        """Start listening for changes."""
        self._entries: dict[str, tuple[Entry, float]] = {}
        self._changes = 0
        self._hears = False
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, health_check_interval=15)
        self._task = asyncio.create_task(self._listen())

    async def lookup(self, macs: Iterable[str], fetch: Fetch) -> dict[str, Entry]:
        """Return the registered devices among the MACs, asking the database for those that are not remembered."""
        now = time.monotonic()
        found, missing = {}, []
        for mac in macs:
            entry, since = self._entries.get(mac, (None, 0.0))
            if entry is not None and now - since < (LONGEST_LIFE_S if self._hears else DEAF_LIFE_S):
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

    def remembered(self, macs: Iterable[str]) -> dict[str, Entry]:
        """Return what is remembered right now, without asking: for what may miss a device, such as signs of life."""
        return {mac: self._entries[mac][0] for mac in macs if mac in self._entries}

    def _remember(self, entries: dict[str, Entry], now: float) -> None:
        if len(self._entries) + len(entries) > MOST:
            self._entries.clear()
        self._entries |= {mac: (entry, now) for mac, entry in entries.items()}

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._redis.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as messages:
                    await messages.subscribe(CHANGES)
                    await self._hear(messages)
            except (RedisError, OSError) as error:
                self._hears = False
                log.warning("device changes are not heard: Redis is away", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _hear(self, messages: redis.asyncio.client.PubSub) -> None:
        """Forget each device that changes. What was remembered before the subscription took hold may be stale, so it goes."""
        async for message in messages.listen():
            self._changes += 1
            if message["type"] == "subscribe":
                self._entries.clear()
                self._hears = True
            elif message["type"] == "message":
                self._entries.pop(message["data"].decode(), None)


_registries: "WeakKeyDictionary[asyncio.AbstractEventLoop, DeviceRegistry]" = WeakKeyDictionary()


def registry() -> DeviceRegistry:
    """Return the registry of the running event loop: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _registries:
        _registries[loop] = DeviceRegistry()
    return _registries[loop]
