"""Which devices are online: the states, and what moves a device between them. Who is asked for its status is `status_requests`'s.

| state, and event | sign of life | last will | status request sent, and no answer in 15 s | sweep, every 5 s |
|---|---|---|---|---|
| offline | online | offline | offline; asked again after 10 min | offline |
| online | online | doubted | online; asked again after 60 s | offline, if silent for 90 s and a request was left unanswered |
| doubted: asked at once, but not within 10 s of the last request | online | doubted | online | as online |

An online device is asked after 60 s of silence and its share of the next 60. A last will counts only against signs of life before it. A
doubted device counts as online for everybody else. Where nobody has asked for 5 min, as with HTTP alone, 90 s of silence suffice.

Redis knows each online device's last sign of life; the database holds the state itself and changes only with it. A device is written there
before Redis takes it for online, and before Redis lets go of it, so that a process that dies in between leaves work for the next one
and no contradiction for ever. Times are Unix seconds. Everything here raises RedisError, OSError or django.db.Error where a service is
away; to call it again is harmless.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from redis.asyncio import Redis

from common.async_database import in_database
from devices import selectors, services
from devices.presence import redis_scripts as scripts
from devices.presence.redis_scripts import ASK_AFTER_S, OFFLINE_AFTER_S, SCHEDULE, SEEN, spread_s

# Each change between online and offline is published here, for the live state that device control shows.
STATES = "ecowatt:devices:states"
# The database learns of a device that stays online this often.
SEEN_BEHIND_S = 600


async def note_alive(store: Redis, seen_at: Mapping[int, float]) -> None:
    """Note each device's sign of life; one round trip where all are online, and those that are not become so."""
    if not seen_at:
        return
    ids = list(seen_at)
    async with store.pipeline(transaction=False) as pipe:
        pipe.zadd(SEEN, _scores(seen_at), xx=True, gt=True)
        pipe.zmscore(SEEN, ids)  # type: ignore[arg-type]
        _, scores = await pipe.execute()
    arrived = {device_id: seen_at[device_id] for device_id, score in zip(ids, scores, strict=True) if score is None}
    if arrived:
        await _arrive(store, arrived)


async def sweep(store: Redis, now: float) -> None:
    """Take for offline who has been silent for 90 s and left a status request unanswered; where nobody asks, who has been silent."""
    found = await scripts.run(store, scripts.SILENT, now)
    silent = dict(zip(map(int, found[::2]), found[1::2], strict=True))
    if not silent:
        return
    left = await in_database(
        services.devices_leave,
        seen_at={device_id: _moment(at) for device_id, at in silent.items()},
        silent_since=_moment(now - OFFLINE_AFTER_S),
    )
    back = await scripts.run(store, scripts.LEAVE, now, *silent)
    await _announce(store, left, now, is_online=False)
    if back:  # heard while the database was written
        await _arrive(store, dict.fromkeys(map(int, back), now))


async def reconcile(store: Redis, now: float) -> None:
    """Bring Redis and the database to one view: after Redis lost its memory, and after a process died between the two.

    Also writes down the last sign of life of devices that have long been online. Reads every online device, so it is for the schedule.
    """
    online = await in_database(selectors.online_devices)
    async with store.pipeline(transaction=False) as pipe:
        if online:  # who is missing has a minute less to be heard in
            pipe.zadd(SEEN, _scores(dict.fromkeys(online, now - ASK_AFTER_S)), nx=True)
            pipe.zadd(SCHEDULE, _looks(online, now), nx=True)
        pipe.zrangebyscore(SEEN, now - ASK_AFTER_S + 1, "+inf", withscores=True)
        heard = {int(device_id): at for device_id, at in (await pipe.execute())[-1]}
    behind = {
        device_id: _moment(at)
        for device_id, at in heard.items()
        if device_id in online and at - _seconds(online[device_id]) > SEEN_BEHIND_S
    }
    if behind:
        await in_database(services.devices_seen, seen_at=behind)
    if missed := {device_id: at for device_id, at in heard.items() if device_id not in online}:
        await _arrive(store, missed)


async def _arrive(store: Redis, seen_at: Mapping[int, float]) -> None:
    at = max(seen_at.values())
    arrived = await in_database(services.devices_arrive, device_ids=list(seen_at), at=_moment(at))
    async with store.pipeline(transaction=False) as pipe:
        pipe.zadd(SEEN, _scores(seen_at), nx=True)
        pipe.zadd(SCHEDULE, _looks(seen_at, at + ASK_AFTER_S), lt=True)
        await pipe.execute()
    await _announce(store, arrived, at, is_online=True)


def _scores(times: Mapping[int, float]) -> dict[Any, float]:
    return dict(times)


def _looks(device_ids: Iterable[int], since: float) -> dict[Any, float]:
    """Return when to look at each device: evenly over the minute."""
    return {device_id: since + spread_s(device_id) for device_id in device_ids}


async def _announce(store: Redis, device_ids: Iterable[int], now: float, *, is_online: bool) -> None:
    async with store.pipeline(transaction=False) as pipe:
        for device_id in device_ids:
            pipe.publish(STATES, orjson.dumps({"device_id": device_id, "is_online": is_online, "at": now}))
        await pipe.execute()


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0
