"""Devices that no home has proven to be its own, remembered for an hour after they last sent something.

Unclaimed ones, so that an app can offer them to whom they belong; and claimed ones, so that the claim can be proven
(`devices.ownership.proofs`).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson
import redis
from redis.asyncio import Redis

UNPROVEN = "ecowatt:unproven"
FACTS = "ecowatt:unproven:facts"
KEPT_S = 3600
MOST = 1_000
# Who posts invented MACs pushes out those from the own address alone. Over MQTT, where the broker knows its clients, there is no share.
SHARE = 20
MAX_MODEL = 50
# Of the places from which messages came for one MAC, and of its switchings, no more than these are kept.
MOST_PLACES = 4
MOST_SWITCHINGS = 20
PRIVATE, BROKER = "private", "broker"

# What a message does not say stays as an earlier one said it; each place goes with the time of its last message. Unknown devices with a
# public address, those that the broker brought (they have a model) and the others can't push each other out, nor one that is claimed.
NOTE = """
local unproven, facts = KEYS[1], KEYS[2]
local now, kept, most, share = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local most_places, most_switchings = tonumber(ARGV[5]), tonumber(ARGV[6])
local is_any_unknown = false
for index = 7, #ARGV, 2 do
  local old = redis.call('HGET', facts, ARGV[index])
  local known = old and cjson.decode(old) or {}
  local fresh = cjson.decode(ARGV[index + 1])
  is_any_unknown = is_any_unknown or not fresh.is_claimed
  if known.is_on ~= nil and fresh.is_on ~= nil and fresh.is_on ~= known.is_on then
    known.switched = known.switched or {}
    table.insert(known.switched, now)
    if #known.switched > most_switchings then table.remove(known.switched, 1) end
  end
  local places, count = {}, 0
  for place, at in pairs(known.places or {}) do
    if at > now - kept then
      places[place] = at
      count = count + 1
    end
  end
  if places[fresh.place] or count < most_places then places[fresh.place] = now end
  for name, value in pairs(fresh) do known[name] = value end
  known.places, known.place = places, nil
  redis.call('HSET', facts, ARGV[index], cjson.encode(known))
  redis.call('ZADD', unproven, now, ARGV[index])
end
local function drop(mac)
  redis.call('ZREM', unproven, mac)
  redis.call('HDEL', facts, mac)
end
for _, mac in ipairs(redis.call('ZRANGEBYSCORE', unproven, '-inf', now - kept)) do drop(mac) end
local held = {}
local function is_over(pool, limit)
  held[pool] = (held[pool] or 0) + 1
  return held[pool] > limit
end
for _, mac in ipairs(is_any_unknown and redis.call('ZREVRANGE', unproven, 0, -1) or {}) do
  local known = cjson.decode(redis.call('HGET', facts, mac) or '{}')
  local is_excess
  if known.is_claimed then
    is_excess = false
  elseif known.address then
    is_excess = is_over(known.address, share) or is_over('public', most)
  else
    is_excess = is_over(known.model and 'mqtt' or 'private', most)
  end
  if is_excess then drop(mac) end
end
redis.call('EXPIRE', unproven, kept + 60)
redis.call('EXPIRE', facts, kept + 60)
return {}
"""


class UnprovenDevice(NamedTuple):
    """A device that no home has claimed, or that a home has claimed and not proven to be its own (`is_claimed`).

    mac: 12 hex digits in lower case. model: prefix of its id, empty if unknown. power_w: last power of all its channels. address: from
    which it posted by HTTP (`common.client_addresses.household_of`), None if it did not. seen: when its last message came, Unix seconds.
    place: where the message came from: the address, PRIVATE for all others, or BROKER. has_account: it came below the topic prefix that
    the broker keeps for its account. is_on: whether it is switched on, None where the message does not say.

    Only read, never noted: `places`, those of within the hour; and `switched_at`, when it was seen to be switched on or off.
    """

    mac: str
    model: str
    power_w: float | None
    address: str | None
    seen: float = 0.0
    has_account: bool = False
    is_on: bool | None = None
    place: str = BROKER
    is_claimed: bool = False
    places: tuple[str, ...] = ()
    switched_at: tuple[float, ...] = ()


async def note_unproven(store: Redis, devices: Iterable[UnprovenDevice], now: float) -> None:
    """Remember each for an hour, of a public address no more than the last twenty; one round trip. Raises RedisError, OSError."""
    arguments: list[Any] = []
    for device in devices:
        arguments += [device.mac, orjson.dumps(_facts(device))]
    if arguments:
        await store.register_script(NOTE)((UNPROVEN, FACTS), [now, KEPT_S, MOST, SHARE, MOST_PLACES, MOST_SWITCHINGS, *arguments])


def _facts(device: UnprovenDevice) -> dict[str, Any]:
    facts = {
        "model": device.model[:MAX_MODEL] or None,
        "power_w": device.power_w,
        "address": device.address,
        "has_account": device.has_account or None,
        "is_on": device.is_on,
        "place": device.place,
        "is_claimed": device.is_claimed,
    }
    return {name: value for name, value in facts.items() if value is not None}


async def unclaimed_near(store: Redis, *, mac: str | None, address: str | None, now: float) -> list[UnprovenDevice]:
    """Return the one with the MAC and those that posted from the address, the latest first. Raises RedisError, OSError.

    Those that did not post from the address come without their power. Registered devices may still be among them: whoever shows the list
    leaves them out.
    """
    async with store.pipeline(transaction=True) as pipe:
        pipe.zrangebyscore(UNPROVEN, f"({now - KEPT_S}", "+inf", withscores=True)
        pipe.hgetall(FACTS)
        times, rows = await pipe.execute()
    facts = {_text(key): orjson.loads(value) for key, value in rows.items()}
    found = [_device(_text(key), facts[_text(key)], seen, now) for key, seen in reversed(times) if _text(key) in facts]
    near = [(one, address is not None and one.address == address) for one in found]
    return [one if is_near else one._replace(power_w=None) for one, is_near in near if is_near or one.mac == mac]


def seen_among(store: redis.Redis, macs: Sequence[str], *, now: float) -> dict[str, UnprovenDevice]:
    """Return what is remembered of the devices, by MAC; one round trip. Raises RedisError."""
    if not macs:
        return {}
    with store.pipeline(transaction=True) as pipe:
        pipe.zmscore(UNPROVEN, list(macs))
        pipe.hmget(FACTS, list(macs))
        times, rows = pipe.execute()
    found = zip(macs, times, rows, strict=True)
    return {mac: _device(mac, orjson.loads(row), at, now) for mac, at, row in found if row and at and at > now - KEPT_S}


def _device(mac: str, facts: dict[str, Any], seen: float, now: float) -> UnprovenDevice:
    return UnprovenDevice(
        mac,
        facts.get("model", ""),
        facts.get("power_w"),
        facts.get("address"),
        seen,
        has_account=facts.get("has_account", False),
        is_on=facts.get("is_on"),
        is_claimed=facts.get("is_claimed", False),
        places=tuple(sorted(one for one, at in facts.get("places", {}).items() if at > now - KEPT_S)),
        switched_at=tuple(facts.get("switched", ())),
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
