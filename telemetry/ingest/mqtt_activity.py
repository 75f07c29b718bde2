"""Which devices are heard over MQTT, for the way in over HTTP: what a script posts beside its device's frames is no second reading.

Ingest processes write into Redis when each device's frames last came; a process that takes posts looks there for what is new.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import Redis

from common.redis_connections import async_redis_client
from telemetry.ingest.reporters import away_is_harmless

NOTIFIED = "ecowatt:notified"
KEPT_S = 7 * 86_400
# A device is written down this often, and counts as heard for a while longer: its frames come once a minute under load.
TELL_EVERY_S = 30.0
HEARD_S = 150.0
LOOK_S = 2.0
MOST = 200_000


class NotifiedTeller:
    """Writes down when devices' frames last came, each of them now and then."""

    def __init__(self) -> None:
        """Start with none told."""
        self._told: dict[str, float] = {}

    def fresh(self, notified_at: Mapping[str, float]) -> dict[str, float]:
        """Return those that are to be told again."""
        return {mac: at for mac, at in notified_at.items() if at - self._told.get(mac, 0.0) >= TELL_EVERY_S}

    async def tell(self, store: Redis, fresh: Mapping[str, float]) -> None:
        """Tell Redis. Raises RedisError, OSError."""
        async with store.pipeline(transaction=False) as pipe:
            pipe.zadd(NOTIFIED, dict[Any, Any](fresh), gt=True)
            pipe.zremrangebyscore(NOTIFIED, "-inf", max(fresh.values()) - KEPT_S)
            await pipe.execute()
        if len(self._told) > MOST:
            self._told.clear()
        self._told |= fresh


class Notified:
    """When each device's frames last came, as one process knows it. Where Redis is away, what was known last."""

    def __init__(self) -> None:
        """Begin to look."""
        self._redis = async_redis_client()
        self._at: dict[str, float] = {}
        self._newest = 0.0
        self._looked = asyncio.Event()
        self._task = asyncio.create_task(self._look())

    async def last(self, mac: str) -> float:
        """Return when the device's frames last came, Unix time; 0 where they never have."""
        await self._looked.wait()
        return self._at.get(mac, 0.0)

    async def _look(self) -> None:
        while True:
            with away_is_harmless("the question who is heard over MQTT"):
                await self._read()
            self._looked.set()
            await asyncio.sleep(LOOK_S)

    async def _read(self) -> None:
        """Read what is new; ingest processes' clocks may differ a little."""
        if len(self._at) > MOST:
            self._at, self._newest = {}, time.time() - HEARD_S
        since = max(self._newest - TELL_EVERY_S, 0.0)
        found: list[Any] = await self._redis.zrangebyscore(NOTIFIED, since, "+inf", withscores=True)
        self._at |= {mac.decode(): at for mac, at in found}
        self._newest = max([self._newest, *(at for _mac, at in found)])


_notified: "WeakKeyDictionary[asyncio.AbstractEventLoop, Notified]" = WeakKeyDictionary()


def notified() -> Notified:
    """Return what the running event loop knows: one a process in production."""
    loop = asyncio.get_running_loop()
    if loop not in _notified:
        _notified[loop] = Notified()
    return _notified[loop]
