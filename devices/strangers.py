"""Unknown devices that spoke, remembered for an hour, so that an app can offer them to whom they belong."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from redis.asyncio import Redis

HEARD = "ecowatt:strangers"
FACTS = "ecowatt:strangers:facts"
KEPT_S = 3600
MOST = 1_000
# Who posts invented MACs pushes out those from the own address alone. Over MQTT, where the broker knows its clients, there is no share.
SHARE = 20
MAX_MODEL = 50

# What a message does not say stays as an earlier one said it. Those with a public address, those that the broker brought (they have a
# model) and the others can't push each other out.
NOTE = """
local heard, facts = KEYS[1], KEYS[2]
local now, kept, most, share = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
for index = 5, #ARGV, 2 do
  local old = redis.call('HGET', facts, ARGV[index])
  local known = old and cjson.decode(old) or {}
  for name, value in pairs(cjson.decode(ARGV[index + 1])) do known[name] = value end
  redis.call('HSET', facts, ARGV[index], cjson.encode(known))
  redis.call('ZADD', heard, now, ARGV[index])
end
local function drop(mac)
  redis.call('ZREM', heard, mac)
  redis.call('HDEL', facts, mac)
end
for _, mac in ipairs(redis.call('ZRANGEBYSCORE', heard, '-inf', now - kept)) do drop(mac) end
local held = {}
local function is_over(pool, limit)
  held[pool] = (held[pool] or 0) + 1
  return held[pool] > limit
end
for _, mac in ipairs(redis.call('ZREVRANGE', heard, 0, -1)) do
  local known = cjson.decode(redis.call('HGET', facts, mac) or '{}')
  local is_excess
  if known.address then
    is_excess = is_over(known.address, share) or is_over('public', most)
  else
    is_excess = is_over(known.model and 'mqtt' or 'private', most)
  end
  if is_excess then drop(mac) end
end
redis.call('EXPIRE', heard, kept + 60)
redis.call('EXPIRE', facts, kept + 60)
return {}
"""


class Stranger(NamedTuple):
    """A device that no home has claimed.

    mac: 12 hex digits in lower case. model: prefix of its id, empty if unknown. power_w: last power of all its channels. address: from
    which it posted by HTTP (`accounts.addresses.household_of`), None if it did not. seen: when it last spoke, Unix seconds.
    """

    mac: str
    model: str
    power_w: float | None
    address: str | None
    seen: float = 0.0


async def note_strangers(store: Redis, strangers: Iterable[Stranger], now: float) -> None:
    """Remember each for an hour, of a public address no more than the last twenty; one round trip. Raises RedisError, OSError."""
    arguments: list[Any] = []
    for stranger in strangers:
        arguments += [stranger.mac, orjson.dumps(_facts(stranger))]
    if arguments:
        await store.register_script(NOTE)((HEARD, FACTS), [now, KEPT_S, MOST, SHARE, *arguments])


def _facts(stranger: Stranger) -> dict[str, Any]:
    facts = {"model": stranger.model[:MAX_MODEL], "power_w": stranger.power_w, "address": stranger.address}
    return {name: value for name, value in facts.items() if value not in (None, "")}


async def strangers_near(store: Redis, *, mac: str | None, address: str | None, now: float) -> list[Stranger]:
    """Return the one with the MAC and those that posted from the address, who spoke last first. Raises RedisError, OSError.

    Registered devices may still be among them: whoever shows the list leaves them out.
    """
    async with store.pipeline(transaction=True) as pipe:
        pipe.zrangebyscore(HEARD, f"({now - KEPT_S}", "+inf", withscores=True)
        pipe.hgetall(FACTS)
        heard, rows = await pipe.execute()
    facts = {_text(key): orjson.loads(value) for key, value in rows.items()}
    found = [_stranger(_text(key), facts[_text(key)], seen) for key, seen in reversed(heard) if _text(key) in facts]
    return [one for one in found if one.mac == mac or (address is not None and one.address == address)]


def _stranger(mac: str, facts: dict[str, Any], seen: float) -> Stranger:
    return Stranger(mac, facts.get("model", ""), facts.get("power_w"), facts.get("address"), seen)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
