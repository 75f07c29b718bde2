"""Signs of life of devices, in Redis."""

from collections.abc import Iterable
from typing import NamedTuple

from redis.asyncio import Redis

SEEN = "ecowatt:devices:seen"


class Question(NamedTuple):
    """A device that its caller asks for its status, and the topic on which it listens."""

    device_id: int
    topic: str


class Stranger(NamedTuple):
    """A device that no home has registered: its MAC, model, last power and, over HTTP, its address."""

    mac: str
    model: str
    power_w: float | None
    address: str | None


async def note_alive(store: Redis, device_ids: Iterable[int], now: float) -> None:
    """Note a sign of life of each device."""
    await store.zadd(SEEN, {str(device_id): now for device_id in device_ids})


async def note_doubt(store: Redis, device_ids: Iterable[int], now: float) -> None:
    """Let the devices be asked at once."""


async def to_ask(store: Redis, now: float) -> list[Question]:
    """Return the questions that this caller shall send now."""
    return []


async def sweep(store: Redis, now: float) -> None:
    """Take for offline who left a question unanswered."""


async def note_strangers(store: Redis, strangers: Iterable[Stranger], now: float) -> None:
    """Remember unknown devices for an hour."""
