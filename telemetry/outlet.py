"""What goes from the writer to Redis without making it wait; dropped where Redis is away, for the next reading brings it anew."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

import redis.asyncio
import structlog
from django.conf import settings

from devices.presence import Stranger, note_alive, note_strangers
from devices.strangers import MOST
from ecowatt.tasks import end

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def away_is_harmless(what: str) -> Iterator[None]:
    """Let what is inside fail, mostly since a service is away, and log that it did: the task around it must go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        log.warning(f"{what} not sent", error=type(error).__name__, reason=str(error))


class Outlet(ABC):
    """A task that sends what has gathered whenever something has, with a connection of its own."""

    what = ""
    pause_s = 0.0

    def __init__(self) -> None:
        """Wait for something to send."""
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5)
        self._wake = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run())]

    async def close(self) -> None:
        """Stop and disconnect."""
        await end(self._tasks)
        await self._redis.aclose()

    @abstractmethod
    async def _send(self) -> None:
        """Take what has gathered and send it."""

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            with away_is_harmless(self.what):
                await self._send()
            await asyncio.sleep(self.pause_s)


class PresenceOutlet(Outlet):
    """Notes signs of life and strangers, gathered over a second: what a thousand devices post then is one round trip."""

    what = "signs of life"
    pause_s = 1.0

    def __init__(self) -> None:
        """Start with nobody."""
        super().__init__()
        self._alive: set[int] = set()  # no more than there are devices
        self._strangers: dict[str, Stranger] = {}

    def alive(self, device_id: int) -> None:
        """Note a sign of life soon."""
        self._alive.add(device_id)
        self._wake.set()

    def stranger(self, stranger: Stranger) -> None:
        """Remember an unknown device soon; past as many as are kept, the oldest go."""
        self._strangers.pop(stranger.mac, None)
        self._strangers[stranger.mac] = stranger
        if len(self._strangers) > MOST:
            del self._strangers[next(iter(self._strangers))]
        self._wake.set()

    async def _send(self) -> None:
        alive, self._alive = self._alive, set()
        strangers, self._strangers = self._strangers, {}
        now = time.time()
        await note_strangers(self._redis, strangers.values(), now)
        await note_alive(self._redis, alive, now)
