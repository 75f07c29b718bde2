"""Which registered device has a MAC, remembered in each process and forgotten at once when a device changes.

Every process gets a Redis message after the commit of a change. While nothing proves that they arrive, what a process remembers lasts a
few seconds only. An unknown MAC is never remembered: it may be registered the next moment.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
import redis.asyncio
from django.conf import settings

from common.async_tasks import OnePerLoop, end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from devices.ownership.keys import KeyRule
from devices.shelly_models import Bounds, bounds_of

CHANGES = "ecowatt:devices:changed"
# How long a device is remembered, while changes arrive and while nothing proves that they do.
LONG_LIFE_S, SHORT_LIFE_S = 300.0, 5.0
POLL_S = 0.5
# Every process would otherwise keep each device that it ever looked up.
MOST = 200_000

# The registered devices among some MACs, with the channels that their owners named. Parameter: mac[].
BY_MAC = """
SELECT hardware_id, id::int, is_active, proven_at IS NOT NULL, key_digest, requires_key, key_used_at IS NOT NULL, model,
    ARRAY(SELECT number::int FROM devices_channel c WHERE c.device_id = d.id),
    channel_numbers::int[], (SELECT max(at) FROM devices_replacement r WHERE r.device_id = d.id)
FROM devices_device d WHERE hardware_id = ANY(%s) AND retired_at IS NULL
"""


class RegisteredDevice(NamedTuple):
    """A registered device: whether its home has proven that it has it, who may speak for it, and what its readings may be.

    model, channels: as the device told, None where it has not told its channels.
    since: when it took another's place, None if it has not; what it measured before is of no circuit of its home.
    """

    device_id: int
    is_active: bool
    is_proven: bool = True
    key: KeyRule = KeyRule()
    bounds: Bounds = bounds_of("")
    model: str = ""
    channels: frozenset[int] | None = None
    since: datetime | None = None


Fetch = Callable[[list[str]], Awaitable[dict[str, RegisteredDevice]]]


async def fetch_devices(database: psycopg.AsyncConnection[Any], macs: list[str]) -> dict[str, RegisteredDevice]:
    """Return the registered devices among the MACs, by MAC (1 query)."""
    return by_mac(await (await database.execute(BY_MAC, [macs])).fetchall())


def by_mac(rows: Iterable[tuple[Any, ...]]) -> dict[str, RegisteredDevice]:
    """Return the devices in the rows of BY_MAC."""
    all_require = settings.DEVICE_KEYS_REQUIRED
    return {
        mac: RegisteredDevice(
            device_id,
            is_active,
            is_proven,
            KeyRule(digest, requires_key or all_require, is_key_used),
            bounds_of(model, {*named, *(told or ())}),
            model,
            None if told is None else frozenset(told),
            since,
        )
        for mac, device_id, is_active, is_proven, digest, requires_key, is_key_used, model, named, told, since in rows
    }


class DeviceRegistry:
    """Devices by MAC for one event loop."""

    def __init__(self) -> None:
        self._devices: dict[str, tuple[RegisteredDevice, float]] = {}  # and since when, by time.monotonic()
        self._changes = 0
        self._last_message = -math.inf
        self._redis = async_redis_client(SUBSCRIBER)
        self._task = asyncio.create_task(listen_for_ever(self._listen, what="device changes"))

    @property
    def hears_changes(self) -> bool:
        """Whether the last message, be it the answer to a ping, came so lately that none of a change can be missing."""
        return time.monotonic() - self._last_message < SHORT_LIFE_S

    async def lookup(self, macs: Iterable[str], fetch: Fetch) -> dict[str, RegisteredDevice]:
        """Return the registered devices among the MACs, those that are not remembered from `fetch`."""
        now = time.monotonic()
        life = LONG_LIFE_S if self.hears_changes else SHORT_LIFE_S
        found, missing = {}, []
        for mac in macs:
            device, since = self._devices.get(mac, (None, 0.0))
            if device is not None and now - since < life:
                found[mac] = device
            else:
                missing.append(mac)
        if missing:
            before = self._changes
            fetched = await fetch(missing)
            found |= fetched
            if self._changes == before:  # else what was read may be older than the change
                self._remember(fetched, now)
        return found

    def _remember(self, devices: dict[str, RegisteredDevice], now: float) -> None:
        if len(self._devices) + len(devices) > MOST:
            self._devices.clear()
        self._devices |= {mac: (device, now) for mac, device in devices.items()}

    async def close(self) -> None:
        registry.forget(self)
        await end([self._task])
        await self._redis.aclose()

    async def _listen(self) -> None:
        try:
            async with self._redis.pubsub() as messages:
                await messages.subscribe(CHANGES)
                await self._forget_changed(messages)
        finally:
            self._last_message = -math.inf

    async def _forget_changed(self, messages: redis.asyncio.client.PubSub) -> None:
        """Forget each device that changes. What was remembered before the subscription took hold may be stale, so it goes."""
        async for message in incoming(messages, poll_s=POLL_S):
            if message is None:
                continue
            self._last_message = time.monotonic()
            if message["type"] == "subscribe":
                self._changes += 1
                self._devices.clear()
            elif message["type"] == "message":
                self._changes += 1
                self._devices.pop(message["data"].decode(), None)


registry = OnePerLoop(DeviceRegistry)
