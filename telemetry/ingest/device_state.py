"""What devices said last, in Redis, so that any ingest process can go on where another stopped.

A notification names only what changed. While Redis is away, each process goes on with what it saw itself, and brings it to Redis later.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from telemetry.ingest.mqtt_activity import LastFrameLog
from telemetry.shelly.merge import NO_STATE, DeviceState

log = structlog.get_logger(__name__)

STATUS = "ecowatt:status:"
KEPT_S = 7 * 86_400
# For so long Redis is left alone after it failed; a process would otherwise wait for it in each batch.
AWAY_S = 1.0
# Some 2 kB each; a process that shares the load of more devices than this still has all of them in Redis.
MOST_DEVICES = 10_000
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


class DeviceStates:
    """The states of devices: Redis, with this process's own latest beside it."""

    def __init__(self, store: Redis) -> None:
        self._store = store
        self._read, self._write = store.register_script(READ), store.register_script(WRITE)
        self._own: OrderedDict[str, DeviceState] = OrderedDict()
        self._last_frames = LastFrameLog()
        self._away_until = 0.0

    async def read(self, macs: Collection[str]) -> dict[str, DeviceState]:
        """Return the state of each device: of Redis's and our own the later one."""
        listed = list(macs)
        text = await self.ask(lambda: self._read(args=[STATUS, "".join(listed)])) if listed else None
        found = {}
        for mac, raw in zip(listed, orjson.loads(text) if text else [None] * len(listed), strict=True):
            own = self._own.get(mac, NO_STATE)
            found[mac] = _state(raw) if raw is not None and raw.get("changed_at", 0.0) > own.changed_at else own
        return found

    async def write(self, changed: Mapping[str, DeviceState]) -> None:
        """Keep the states of devices, by MAC."""
        if not changed:
            return
        keep_latest(self._own, changed, MOST_DEVICES)
        texts = [orjson.dumps(state._asdict()) for state in changed.values()]
        sizes = "".join(f"{len(text):08}" for text in texts)
        await self.ask(lambda: self._write(args=[STATUS, KEPT_S, "".join(changed), sizes, b"".join(texts)]))
        if due := self._last_frames.due({mac: state.frame_at for mac, state in changed.items() if state.frame_at}):
            await self.ask(lambda: self._last_frames.write(self._store, due))

    async def ask(self, request: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Return Redis's answer, or None while it is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            answer = await request()
        except (RedisError, OSError) as error:
            if not self._away_until:
                log.warning("going on with this process's own memory: Redis is away", error=type(error).__name__)
            self._away_until = time.monotonic() + AWAY_S
            return None
        self._away_until = 0.0
        return answer


def keep_latest(kept: "OrderedDict[str, Any]", changed: Mapping[str, Any], most: int) -> None:
    """Add what has changed to what is kept, and drop the oldest beyond the most."""
    for key, value in changed.items():
        kept[key] = value
        kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _state(raw: dict[str, Any]) -> DeviceState:
    """Return the state that was written as JSON; that of another version counts as none."""
    try:
        counters = {channel: (time_s, energy_wh) for channel, (time_s, energy_wh) in raw["counters"].items()}
        return DeviceState(**raw | {"counters": counters})
    except (TypeError, ValueError, LookupError):
        return NO_STATE
