"""Readings on their way to phones: from any process through Redis to the sockets that watch the device, whose side is `telemetry.hub`.

A process that serves sockets keeps the ids it watches in a sorted set with a deadline each; a writer publishes only for those, one
pipelined round trip a batch. Losing a frame is harmless: the next reading follows in seconds.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson
import structlog

from telemetry.constants import LATE_AFTER
from telemetry.outlet import Outlet, away_is_harmless
from telemetry.samples import Sample

log = structlog.get_logger(__name__)

WATCHED = "ecowatt:live:watched"
CHANNEL = "ecowatt:live:{device_id}"
# One text, whatever its length: the client spends more on each element of a list than Redis on each member of the set.
WATCHED_NOW = "return table.concat(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf'), ' ')"
LOOK_S = 0.5
PUBLISH_BACKLOG = 1_000


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
        """Queue frames for whoever watches the device; the oldest go when Redis can't keep up. What came late is no news."""
        if self._watched is not None and device_id not in self._watched:
            return
        now = datetime.now(UTC)
        times = ((sample.time or now, sample) for sample in samples)
        self._pending += [(device_id, frame(s.channel, at, *s[2:5])) for at, s in times if at >= now - LATE_AFTER]
        del self._pending[:-PUBLISH_BACKLOG]
        self._wake.set()

    async def _look(self) -> None:
        while True:
            with away_is_harmless(self.what):
                ids = await self._redis.eval(WATCHED_NOW, 1, WATCHED, str(time.time()))
                self._watched = set(map(int, ids.split()))
            await asyncio.sleep(LOOK_S)

    async def _send(self) -> None:
        pending, self._pending = self._pending, []
        async with self._redis.pipeline(transaction=False) as pipe:
            for device_id, text in pending:
                pipe.publish(CHANNEL.format(device_id=device_id), text)
            await pipe.execute()
