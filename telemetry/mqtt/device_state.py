"""What devices last said and which topic prefixes are theirs, in Redis, so that any ingest process can go on where another stopped.

A notification names only what changed, and a status topic not even its device. Where Redis is away, each process goes on with what it
saw itself, and brings it to Redis later.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.async_database import in_database
from devices.presence.status_requests import note_prefixes
from devices.selectors import macs_by_whole_prefix
from telemetry.ingest.mqtt_activity import LastFrameLog
from telemetry.mqtt.topic_prefixes import SILENT_S, names
from telemetry.shelly.merge import UNHEARD, Remembered, remembered

log = structlog.get_logger(__name__)

STATUS = "ecowatt:status:"
PREFIXES = "ecowatt:prefixes"
KEPT_S = 7 * 86_400
# For so long Redis is left alone after it failed; a process would otherwise wait for it in each batch.
AWAY_S = 1.0
# Some 2 kB each; a process that shares the load of more devices than this still has all of them in Redis.
MOST_DEVICES = 10_000
MOST_PREFIXES = 100_000
# Redis is told again what it may have lost, and what another process heard otherwise meanwhile.
PREFIXES_LIFE_S = 600.0
UNKNOWN_PREFIX_S = 30.0
# A batch is one argument and one answer, whatever its size: a client spends more on each argument than Redis on each key.
# Read: the MACs, one behind the other. Answers a JSON list.
READ = """
local found = {}
for i = 1, #ARGV[2], 12 do found[#found + 1] = redis.call('GET', ARGV[1] .. string.sub(ARGV[2], i, i + 11)) or 'null' end
return '[' .. table.concat(found, ',') .. ']'
"""
# Write: the MACs, the length of each text as eight digits, and the texts, each one behind the other.
WRITE = """
local at = 1
for i = 0, #ARGV[3] / 12 - 1 do
    local size = tonumber(string.sub(ARGV[4], i * 8 + 1, i * 8 + 8))
    redis.call('SET', ARGV[1] .. string.sub(ARGV[3], i * 12 + 1, i * 12 + 12), string.sub(ARGV[5], at, at + size - 1), 'EX', ARGV[2])
    at = at + size
end
"""

Answer = TypeVar("Answer")
TIMES = ("device_time", "kept", "notified", "by_arrival", "prefix_at")


class Memory:
    """The memory of one process: Redis, with the process's own latest beside it."""

    def __init__(self, store: Redis) -> None:
        """Keep the client; nothing is asked yet."""
        self._store = store
        self._read, self._write = store.register_script(READ), store.register_script(WRITE)
        self._own: OrderedDict[str, Remembered] = OrderedDict()
        self._prefixes: OrderedDict[str, str] = OrderedDict()
        self._told: dict[str, str] = {}
        self._teller = LastFrameLog()
        self._told_since = time.monotonic()
        self._unknown: dict[str, float] = {}
        self.unproved: set[str] = set()
        self._away_until = 0.0

    async def recall(self, macs: Collection[str]) -> dict[str, Remembered]:
        """Return what is known of each device: the later one of Redis's word and our own."""
        listed = list(macs)
        text = await self._ask(lambda: self._read(args=[STATUS, "".join(listed)])) if listed else None
        found = {}
        for mac, raw in zip(listed, orjson.loads(text) if text else [None] * len(listed), strict=True):
            own = self._own.get(mac, UNHEARD)
            found[mac] = _read(raw) if raw is not None and raw.get("kept", 0.0) > own.kept else own
        return found

    async def keep(self, changed: Mapping[str, Remembered], prefixes: Mapping[str, str]) -> None:
        """Remember devices, and the prefix that each MAC was seen to use."""
        _keep_latest(self._own, changed, MOST_DEVICES)
        if changed:
            texts = [orjson.dumps(_written(one)) for one in changed.values()]
            sizes = "".join(f"{len(text):08}" for text in texts)
            await self._ask(lambda: self._write(args=[STATUS, KEPT_S, "".join(changed), sizes, b"".join(texts)]))
        if notified := self._teller.due({mac: one.notified for mac, one in changed.items() if one.notified}):
            await self._ask(lambda: self._teller.write(self._store, notified))
        if time.monotonic() - self._told_since > PREFIXES_LIFE_S or len(self._told) > MOST_PREFIXES:
            self._told, self._told_since = {}, time.monotonic()
        if fresh := {mac: prefix for mac, prefix in prefixes.items() if self._told.get(mac) != prefix}:
            await self._teach(fresh)

    async def _teach(self, prefixes: dict[str, str]) -> None:
        """Tell Redis the prefixes by MAC, and the MAC of those that don't name it."""
        own = await self._first({prefix: mac for mac, prefix in prefixes.items() if not names(prefix, mac)})
        _keep_latest(self._prefixes, own, MOST_PREFIXES)
        for prefix in own:
            self._unknown.pop(prefix, None)
        if await self._ask(lambda: self._write_prefixes(prefixes, own)):
            self._told |= prefixes

    async def _first(self, own: dict[str, str]) -> dict[str, str]:
        """Return those of the prefixes whose device is not another one that has been heard there lately."""
        others = {prefix: mac for prefix, mac in (await self._learnt(own)).items() if mac != own[prefix]} if own else {}
        known, now = await self.recall(set(others.values())), time.time()
        held = {prefix for prefix, mac in others.items() if known[mac].prefix == prefix and now - known[mac].prefix_at < SILENT_S}
        return {prefix: mac for prefix, mac in own.items() if prefix not in held}

    async def _learnt(self, prefixes: Collection[str]) -> dict[str, str]:
        asked = list(prefixes)
        learnt = await self._ask(lambda: self._store.hmget(PREFIXES, asked))
        found = {prefix: mac for prefix in asked if (mac := self._prefixes.get(prefix))}
        return found | {prefix: _text(mac) for prefix, mac in zip(asked, learnt or (), strict=False) if mac}

    async def _write_prefixes(self, prefixes: dict[str, str], own: dict[Any, Any]) -> bool:
        await note_prefixes(self._store, prefixes)
        if own:
            await self._store.hset(PREFIXES, mapping=own)
        return True

    async def macs_of(self, prefixes: Iterable[str]) -> dict[str, str]:
        """Return the MACs behind prefixes of the owners' own, as frames have proved them. Raises django.db.Error.

        One that an owner has typed proves nothing: who listens there is asked, and the answer does.
        """
        now = time.monotonic()
        asked = [prefix for prefix in prefixes if self._unknown.get(prefix, 0.0) < now]
        if not asked:
            return {}
        found = await self._learnt(asked)
        if missing := [prefix for prefix in asked if prefix not in found]:
            self.unproved |= (await in_database(macs_by_whole_prefix, missing)).keys()
        if len(self._unknown) > MOST_PREFIXES:
            self._unknown.clear()
        self._unknown |= {prefix: now + UNKNOWN_PREFIX_S for prefix in asked if prefix not in found}
        return found

    async def _ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Return Redis's answer, or None while it is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            answer = await question()
        except (RedisError, OSError) as error:
            if not self._away_until:
                log.warning("going on with this process's own memory: Redis is away", error=type(error).__name__)
            self._away_until = time.monotonic() + AWAY_S
            return None
        self._away_until = 0.0
        return answer


def _keep_latest(kept: "OrderedDict[str, Any]", changed: Mapping[str, Any], most: int) -> None:
    for key, value in changed.items():
        kept[key] = value
        kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _written(one: Remembered) -> dict[str, Any]:
    return {
        "components": one.known.components,
        "counters": one.known.counters,
        "device_time": one.device_time,
        "kept": one.kept,
        "notified": one.notified,
        "by_arrival": one.by_arrival,
        "prefix_at": one.prefix_at,
        "prefix": one.prefix,
    }


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _read(raw: dict[str, Any]) -> Remembered:
    device_time, kept, notified, by_arrival, prefix_at = [float(raw.get(name, 0.0)) for name in TIMES]
    return Remembered(remembered(raw), device_time, kept, notified, by_arrival, prefix_at, str(raw.get("prefix", "")))
