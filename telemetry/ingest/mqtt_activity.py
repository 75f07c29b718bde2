"""Which devices send frames over MQTT, for readings over HTTP: what a script posts beside its device's frames is no second reading.

Ingest processes write into Redis when each device's last frame came; a web process reads every two seconds what is new there.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from common.async_tasks import OnePerLoop
from common.redis_connections import async_redis_client
from common.redis_sender import failures_logged

LAST_FRAMES = "ecowatt:last-frames"
KEPT_S = 7 * 86_400
# A device's last frame is written this often. Its frames come once a minute under load, so after this long they are late.
WRITE_EVERY_S = 30.0
FRAMES_LATE_S = 150.0
READ_EVERY_S = 2.0
MOST = 200_000


class LastFrameLog:
    """Writes when devices' last frames came, each of them every WRITE_EVERY_S."""

    def __init__(self) -> None:
        self._written: dict[str, float] = {}

    def due(self, frame_at: Mapping[str, float]) -> dict[str, float]:
        """Return those that are to be written again."""
        return {mac: at for mac, at in frame_at.items() if at - self._written.get(mac, 0.0) >= WRITE_EVERY_S}

    async def write(self, store: Redis, due: Mapping[str, float]) -> None:
        """Write them to Redis. Raises RedisError, OSError."""
        async with store.pipeline(transaction=False) as pipe:
            pipe.zadd(LAST_FRAMES, dict[Any, Any](due), gt=True)
            pipe.zremrangebyscore(LAST_FRAMES, "-inf", max(due.values()) - KEPT_S)
            await pipe.execute()
        if len(self._written) > MOST:
            self._written.clear()
        self._written |= due


class MqttActivity:
    """When each device's last frame came, as one process knows it; while Redis is away, as it knew it before."""

    def __init__(self) -> None:
        self._redis = async_redis_client()
        self._at: dict[str, float] = {}
        self._newest = 0.0
        self._was_read = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def last_frame(self, mac: str) -> float:
        """Return when the device's last frame came over MQTT, Unix time; 0 where none ever has."""
        await self._was_read.wait()
        return self._at.get(mac, 0.0)

    async def _run(self) -> None:
        while True:
            with failures_logged("devices' last frames over MQTT not read"):
                await self._read()
            self._was_read.set()
            await asyncio.sleep(READ_EVERY_S)

    async def _read(self) -> None:
        """Read what is new; ingest processes' clocks may differ a little."""
        if len(self._at) > MOST:
            self._at, self._newest = {}, time.time() - FRAMES_LATE_S
        since = max(self._newest - WRITE_EVERY_S, 0.0)
        found: list[Any] = await self._redis.zrangebyscore(LAST_FRAMES, since, "+inf", withscores=True)
        self._at |= {mac.decode(): at for mac, at in found}
        self._newest = max([self._newest, *(at for _mac, at in found)])


mqtt_activity = OnePerLoop(MqttActivity)
