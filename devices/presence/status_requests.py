"""Status requests to devices that are silent, or tell changes alone: which are asked, when, and on which topic.

Times are Unix seconds. Everything here raises RedisError, OSError or django.db.Error where a service is away.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from redis.asyncio import Redis

from common.async_database import in_database
from devices import selectors
from devices.presence import redis_scripts as scripts

# MAC → the topic prefix under which its last message came. Not each device's is known, nor the one that its owner gave here right.
PREFIX_OF = "ecowatt:prefix-of"


class StatusRequest(NamedTuple):
    """A device to ask for its status, and the topic on which it listens."""

    device_id: int
    topic: str


async def note_doubt(store: Redis, doubted_at: Mapping[int, float]) -> None:
    """Let the devices be asked at once, unless they gave a sign of life after the given time. Without an answer they go offline."""
    await scripts.run(store, scripts.DOUBT, 0.0, *scripts.flat(doubted_at))


async def note_prefixes(store: Redis, prefixes: Mapping[str, str]) -> None:
    """Keep the topic prefix under which the messages of each MAC came."""
    if prefixes:
        await store.hset(PREFIX_OF, mapping=dict[Any, Any](prefixes))


def topic_prefix(learnt: bytes | str | None, mqtt_prefix: str, hardware_id: str) -> str:
    """Return the prefix of a device's topics: the one of PREFIX_OF, else that which its home gave, with the MAC behind it."""
    return _text(learnt) if learnt else f"{mqtt_prefix}-{hardware_id}"


async def due_requests(store: Redis, now: float, lacking: Collection[int] = ()) -> list[StatusRequest]:
    """Return the requests that this caller shall send now; call it every second or so, while the broker can be reached.

    A device comes up when it has been silent for a minute and its share of the next one, then every minute; one that is offline every
    ten. The `lacking` have told changes and not the whole, and come up at once, unless they were asked within the last minute. No two
    callers get the same.
    """
    due = [int(device_id) for device_id in await scripts.run(store, scripts.DUE, now)]
    if not due and not lacking:
        return []
    addresses = await in_database(selectors.addresses_of, device_ids={*due, *lacking})
    await _forget(store, set(due) - addresses.keys())
    claimed = await scripts.run(store, scripts.CLAIM, now, *(addresses.keys() & set(due)))
    if lacking:
        claimed += await scripts.run(store, scripts.CLAIM_LACKING, now, *(addresses.keys() & set(lacking)))
    asked = {device_id: addresses[device_id] for device_id in map(int, claimed) if addresses[device_id].is_active}
    learnt = await store.hmget(PREFIX_OF, [one.hardware_id for one in asked.values()]) if asked else []
    return [
        StatusRequest(device_id, f"{topic_prefix(prefix, one.mqtt_prefix, one.hardware_id)}/rpc")
        for (device_id, one), prefix in zip(asked.items(), learnt, strict=True)
    ]


async def _forget(store: Redis, device_ids: Iterable[int]) -> None:
    """Drop all about devices that were deleted."""
    if ids := list(device_ids):
        async with store.pipeline(transaction=False) as pipe:
            for key in scripts.DEVICE_KEYS:
                pipe.zrem(key, *ids)
            await pipe.execute()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
