"""Which devices are there: signs of life, questions to the silent ones, and who stays silent.

Redis knows each online device's last sign of life; the database holds the state itself and changes only with it. A device is written there
before Redis takes it for online, and before Redis lets go of it, so that a process that dies in between leaves work for the next one
and no contradiction for ever. `at` and `now` are Unix seconds. Everything here raises RedisError, OSError or django.db.Error where a
service is away; to call it again is harmless.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import orjson
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from redis.asyncio import Redis

from devices import presence_scripts as scripts
from devices import selectors, services
from devices.presence_scripts import ASK_AFTER_S, KEYS, OFFLINE_AFTER_S, SCHEDULE, SEEN, spread_s
from devices.strangers import Stranger, note_strangers, strangers_near

__all__ = [
    "Question",
    "Stranger",
    "note_alive",
    "note_doubt",
    "note_strangers",
    "reconcile",
    "strangers_near",
    "sweep",
    "to_ask",
]

STATES = "ecowatt:devices:states"
# Topic prefix → MAC, as ingest learns them from frames.
PREFIXES = "ecowatt:prefixes"
PREFIXES_LIFE_S = 60
# A device that changed its prefix has left the former one behind: which is today's, only the device knows.
MOST_PREFIXES = 3
# The database learns of a device that stays online this often.
SEEN_BEHIND_S = 600

Result = TypeVar("Result")


class Question(NamedTuple):
    """A device that its caller asks for its status, and the topic on which it listens."""

    device_id: int
    topic: str


async def note_alive(store: Redis, device_ids: Iterable[int], now: float) -> None:
    """Note a sign of life of each device; one round trip where all are online, and those that are not become so."""
    ids = list(set(device_ids))
    if not ids:
        return
    async with store.pipeline(transaction=False) as pipe:
        pipe.zadd(SEEN, _scores(ids, now), xx=True, gt=True)
        pipe.zmscore(SEEN, ids)  # type: ignore[arg-type]
        _, scores = await pipe.execute()
    arrived = [device_id for device_id, score in zip(ids, scores, strict=True) if score is None]
    if arrived:
        await _arrive(store, arrived, now)


async def note_doubt(store: Redis, device_ids: Iterable[int], now: float) -> None:
    """Let the devices be asked at once, be it that they were asked within the minute. They stay online until that is unanswered."""
    await _run(store, scripts.DOUBT, now, device_ids)


async def to_ask(store: Redis, now: float) -> list[Question]:
    """Return the questions that this caller shall send now; call it every second or so, while the broker can be reached.

    A device comes up when it has been silent for a minute and its share of the next one, then every minute; one that is offline every
    ten. No two callers get the same. Who learnt several topic prefixes of a device gets a question for each.
    """
    due = await _run(store, scripts.DUE, now)
    if not due:
        return []
    addresses = await _in_database(selectors.addresses_of, device_ids=due)
    await _forget(store, set(due) - addresses.keys())
    claimed = await _run(store, scripts.CLAIM, now, addresses)
    asked = [(device_id, addresses[device_id]) for device_id in claimed if addresses[device_id].is_active]
    learnt = await _learnt_prefixes(store, now) if asked else {}
    return [
        Question(device_id, f"{prefix}/rpc")
        for device_id, address in asked
        for prefix in learnt.get(address.hardware_id) or [f"{address.mqtt_prefix}-{address.hardware_id}"]
    ]


async def sweep(store: Redis, now: float) -> None:
    """Take for offline who has been silent for 90 s and left a question unanswered; where nobody asks, who has been silent."""
    found = await _run(store, scripts.SILENT, now)
    silent = dict(zip(map(int, found[::2]), found[1::2], strict=True))
    if not silent:
        return
    left = await _in_database(
        services.devices_leave,
        seen_at={device_id: _moment(at) for device_id, at in silent.items()},
        silent_since=_moment(now - OFFLINE_AFTER_S),
    )
    back = await _run(store, scripts.LEAVE, now, silent)
    await _announce(store, left, now, is_online=False)
    if back:  # heard while the database was written
        await _arrive(store, back, now)


async def reconcile(store: Redis, now: float) -> None:
    """Bring Redis and the database to one view: after Redis lost its memory, and after a process died between the two.

    Also writes down the last sign of life of devices that have long been online. Reads every online device, so it is for the schedule.
    """
    online = await _in_database(selectors.online_devices)
    async with store.pipeline(transaction=False) as pipe:
        if online:  # who is missing has a minute less to be heard in
            pipe.zadd(SEEN, _scores(online, now - ASK_AFTER_S), nx=True)
            pipe.zadd(SCHEDULE, _looks(online, now), nx=True)
        pipe.zrangebyscore(SEEN, now - ASK_AFTER_S + 1, "+inf", withscores=True)
        heard = {int(device_id): at for device_id, at in (await pipe.execute())[-1]}
    behind = {
        device_id: _moment(at)
        for device_id, at in heard.items()
        if device_id in online and at - _seconds(online[device_id]) > SEEN_BEHIND_S
    }
    if behind:
        await _in_database(services.devices_seen, seen_at=behind)
    if missed := heard.keys() - online.keys():
        await _arrive(store, missed, now)


async def _arrive(store: Redis, device_ids: Iterable[int], now: float) -> None:
    ids = list(device_ids)
    arrived = await _in_database(services.devices_arrive, device_ids=ids, at=_moment(now))
    async with store.pipeline(transaction=False) as pipe:
        pipe.zadd(SEEN, _scores(ids, now), nx=True)
        pipe.zadd(SCHEDULE, _looks(ids, now + ASK_AFTER_S), lt=True)
        await pipe.execute()
    await _announce(store, arrived, now, is_online=True)


def _scores(device_ids: Iterable[int], at: float) -> dict[Any, float]:
    return dict.fromkeys(device_ids, at)


def _looks(device_ids: Iterable[int], since: float) -> dict[Any, float]:
    """Return when to look at each device: evenly over the minute."""
    return {device_id: since + spread_s(device_id) for device_id in device_ids}


async def _announce(store: Redis, device_ids: Iterable[int], now: float, *, is_online: bool) -> None:
    async with store.pipeline(transaction=False) as pipe:
        for device_id in device_ids:
            pipe.publish(STATES, orjson.dumps({"device_id": device_id, "is_online": is_online, "at": now}))
        await pipe.execute()


async def _forget(store: Redis, device_ids: Iterable[int]) -> None:
    """Drop all about devices that were deleted."""
    if ids := list(device_ids):
        async with store.pipeline(transaction=False) as pipe:
            for key in KEYS[:4]:
                pipe.zrem(key, *ids)
            await pipe.execute()


_prefixes: "WeakKeyDictionary[Redis, tuple[float, dict[str, list[str]]]]" = WeakKeyDictionary()


async def _learnt_prefixes(store: Redis, now: float) -> dict[str, list[str]]:
    """Return the topic prefixes by MAC. A minute old will do: who taught one has spoken, and is not asked for a minute."""
    at, known = _prefixes.get(store, (float("-inf"), {}))
    if not 0 <= now - at < PREFIXES_LIFE_S:
        known = {}
        for prefix, mac in (await store.hgetall(PREFIXES)).items():
            known.setdefault(_text(mac).lower(), []).append(_text(prefix))
        known = {mac: prefixes[-MOST_PREFIXES:] for mac, prefixes in known.items()}
        _prefixes[store] = (now, known)
    return known


async def _run(store: Redis, script: str, now: float, device_ids: Iterable[int] = ()) -> list[Any]:
    found = await store.register_script(script)(KEYS, [now, *device_ids])
    return found if script is scripts.SILENT else [int(device_id) for device_id in found]


async def _in_database(call: Callable[..., Result], **arguments: Any) -> Result:
    """Run a service or selector on a thread, on a connection that is still good."""

    def run() -> Result:
        close_old_connections()
        return call(**arguments)

    return await sync_to_async(run)()


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
