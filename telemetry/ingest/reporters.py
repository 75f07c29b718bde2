"""What goes from the writer to Redis without making it wait; dropped where Redis is away, for the next reading brings it anew."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from functools import partial

import structlog

from common.async_database import in_database
from common.async_tasks import end, heed_cancellation
from common.redis_connections import BACKGROUND, async_redis_client
from devices import selectors
from devices.discovery import MOST, SHARE, Stranger, note_strangers
from devices.presence.presence import note_alive
from devices.presence.status_requests import note_doubt
from devices.registry import registry

log = structlog.get_logger(__name__)

TELL_EVERY_S = 60.0
MOST_TOLD = 100_000


@contextlib.contextmanager
def away_is_harmless(what: str) -> Iterator[None]:
    """Let what is inside fail, mostly since a service is away, and log that it did: the task around it must go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        log.warning(f"{what} not sent", error=type(error).__name__, reason=str(error))
    heed_cancellation()


class Outlet(ABC):
    """A task that sends what has gathered whenever something has, with a connection of its own."""

    what = ""
    pause_s = 0.0

    def __init__(self) -> None:
        """Wait for something to send."""
        self._redis = async_redis_client(BACKGROUND)
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
    """Notes signs of life, last wills and strangers, gathered over a second: what a thousand devices send then is one round trip.

    Each goes with the time at which it was heard (Unix seconds), since a last will counts against a sign of life before it alone.
    """

    what = "signs of life"
    pause_s = 1.0

    def __init__(self) -> None:
        """Start with nobody."""
        super().__init__()
        self._alive: dict[str, float] = {}  # no more than there are devices
        self._doubted: dict[str, float] = {}
        self._strangers: dict[str, Stranger] = {}
        self._of_address: Counter[str] = Counter()
        self._told: dict[str, tuple[str, bool | None, float]] = {}

    def alive(self, mac: str, at: float) -> None:
        """Note a registered device's sign of life soon."""
        self._alive[mac] = at
        self._wake.set()

    def doubt(self, mac: str, at: float) -> None:
        """Note soon that a registered device may be gone."""
        self._doubted[mac] = at
        self._wake.set()

    def stranger(self, stranger: Stranger) -> None:
        """Remember an unproven device soon; past as many as are kept, the oldest go, and past its address's share, the newest.

        One that a home has claimed goes on speaking for as long as it is not proven, so that it is the same is told now and then alone.
        """
        if stranger.is_claimed and not self._is_news(stranger):
            return
        if self._strangers.pop(stranger.mac, None) is None and stranger.address:
            self._of_address[stranger.address] += 1
            if self._of_address[stranger.address] > SHARE:
                return
        self._strangers[stranger.mac] = stranger
        if len(self._strangers) > MOST:
            del self._strangers[next(iter(self._strangers))]
        self._wake.set()

    def _is_news(self, stranger: Stranger) -> bool:
        now = time.monotonic()
        place, is_on, told = self._told.get(stranger.mac, ("", None, -TELL_EVERY_S))
        is_same = place == stranger.place and (stranger.is_on is None or stranger.is_on == is_on)
        if is_same and now - told < TELL_EVERY_S:
            return False
        if len(self._told) > MOST_TOLD:
            self._told.clear()
        self._told[stranger.mac] = (stranger.place, stranger.is_on if stranger.is_on is not None else is_on, now)
        return True

    async def _send(self) -> None:
        alive, self._alive = self._alive, {}
        doubted, self._doubted = self._doubted, {}
        strangers, self._strangers = self._strangers, {}
        self._of_address.clear()
        await note_strangers(self._redis, strangers.values(), time.time())
        await note_alive(self._redis, await _by_id(alive))
        await note_doubt(self._redis, await _by_id(doubted))


async def _by_id(times: dict[str, float]) -> dict[int, float]:
    known = await registry().lookup(times, partial(in_database, selectors.entries_of))
    return {entry.device_id: times[mac] for mac, entry in known.items()}
