"""What Redis decides about presence in one step, so that any number of processes may ask at once.

Keys: `seen` holds the devices that count as online, by their last sign of life; `asked` by the last status request to them; `doubts`
those whose silence is suspected, by the time of the hint; `schedule` when to look at each next, the ones that are offline too; `asker` is
the time at which a process last looked for requests to send. All times are Unix seconds.
"""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

SEEN = "ecowatt:presence:seen"
ASKED = "ecowatt:presence:asked"
DOUBTS = "ecowatt:presence:doubts"
SCHEDULE = "ecowatt:presence:schedule"
ASKER = "ecowatt:presence:asker"
DEVICE_KEYS = (SEEN, ASKED, DOUBTS, SCHEDULE)
KEYS = (*DEVICE_KEYS, ASKER)

ASK_AFTER_S = 60
OFFLINE_AFTER_S = 90
# An answer takes a fraction of a second; the rest is for a reader that lags behind its broker.
ANSWER_S = 15
# A device that loses its connection again and again is doubted each time.
DOUBT_AFTER_S = 10
# A device that counts as offline may be there and idle, with its one answer lost.
ASK_ABSENT_S = 600
ASKER_LIFE_S = 300
# One look at the schedule, or one sweep, takes no more devices than this.
AT_ONCE = 1_000

_COMMON = f"""
local SEEN, ASKED, DOUBTS, SCHEDULE, ASKER = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = tonumber(ARGV[1])
local function score(key, id) return tonumber(redis.call('ZSCORE', key, id) or 0) end
-- Multiples of the golden ratio fill the minute evenly, whichever ids there are.
local function spread(id) return (tonumber(id) * 0.6180339887498949) % 1 * {ASK_AFTER_S} end
local found = {{}}
"""

# Returns the scheduled devices that may be asked. One that was heard is put off: by a minute after it answered, so that it keeps its own
# second of the minute, else by that and its share of the next one. What nobody looked at for long starts anew, spread.
DUE = f"""{_COMMON}
redis.call('SET', ASKER, now)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', SCHEDULE, '-inf', now, 'LIMIT', 0, {AT_ONCE})) do
  local seen, asked = score(SEEN, id), score(ASKED, id)
  local doubt = redis.call('ZSCORE', DOUBTS, id)
  if doubt and tonumber(doubt) >= seen then
    found[#found + 1] = id
  elseif now - seen < {ASK_AFTER_S} then
    local answered = asked <= seen and seen - asked <= {ANSWER_S}
    redis.call('ZADD', SCHEDULE, seen + {ASK_AFTER_S} + (answered and 0 or spread(id)), id)
    redis.call('ZREM', DOUBTS, id)
  elseif now - score(SCHEDULE, id) > {ASK_AFTER_S} then
    redis.call('ZADD', SCHEDULE, now + spread(id), id)
  else
    found[#found + 1] = id
  end
end
return found
"""

# Returns those of the devices that no other caller has taken.
CLAIM = f"""{_COMMON}
for index = 2, #ARGV do
  local id = ARGV[index]
  local due = redis.call('ZSCORE', SCHEDULE, id)
  if due and tonumber(due) <= now then
    local online = redis.call('ZSCORE', SEEN, id)
    redis.call('ZADD', SCHEDULE, now + (online and {ASK_AFTER_S} or {ASK_ABSENT_S}), id)
    redis.call('ZADD', ASKED, now, id)
    redis.call('ZREM', DOUBTS, id)
    found[#found + 1] = id
  end
end
return found
"""

# Returns those of the devices, whatever the schedule says, that nobody has asked within the last minute.
CLAIM_LACKING = f"""{_COMMON}
for index = 2, #ARGV do
  if now - score(ASKED, ARGV[index]) >= {ASK_AFTER_S} then
    redis.call('ZADD', ASKED, now, ARGV[index])
    found[#found + 1] = ARGV[index]
  end
end
return found
"""

# Takes id, time of the hint, id, … One that spoke after the hint, or is offline already, needs no doubt. Here a request may follow the
# last one sooner than in a minute: it is answered by nobody, or by a device that was thought gone.
DOUBT = f"""{_COMMON}
for index = 2, #ARGV, 2 do
  local id, at = ARGV[index], tonumber(ARGV[index + 1])
  local seen = redis.call('ZSCORE', SEEN, id)
  if seen and tonumber(seen) <= at then
    redis.call('ZADD', DOUBTS, at, id)
    redis.call('ZADD', SCHEDULE, 'LT', math.max(at, score(ASKED, id) + {DOUBT_AFTER_S}), id)
  end
end
return found
"""

# Returns id, last sign of life, id, … of the silent. Where nobody asks, as with HTTP alone, silence says it all.
SILENT = f"""{_COMMON}
local asks = now - tonumber(redis.call('GET', ASKER) or 0) < {ASKER_LIFE_S}
local rows = redis.call('ZRANGEBYSCORE', SEEN, '-inf', now - {OFFLINE_AFTER_S}, 'WITHSCORES')
for index = 1, #rows, 2 do
  local asked = score(ASKED, rows[index])
  if not asks or (asked > tonumber(rows[index + 1]) and asked <= now - {ANSWER_S}) then
    found[#found + 1] = rows[index]
    found[#found + 1] = rows[index + 1]
    if #found >= 2 * {AT_ONCE} then break end
  end
end
return found
"""

# Takes the devices off the online ones; returns those that were heard meanwhile, which stay.
LEAVE = f"""{_COMMON}
for index = 2, #ARGV do
  if score(SEEN, ARGV[index]) > now - {OFFLINE_AFTER_S} then
    found[#found + 1] = ARGV[index]
  else
    redis.call('ZREM', SEEN, ARGV[index])
    redis.call('ZREM', DOUBTS, ARGV[index])
  end
end
return found
"""


async def run(store: Redis, script: str, now: float, *arguments: Any) -> list[Any]:
    """Run a script on our keys. Raises RedisError, OSError."""
    found: list[Any] = await store.register_script(script)(KEYS, [now, *arguments])
    return found


def flat(times: Mapping[int, float]) -> list[Any]:
    """Return id, time, id, … as the scripts take them."""
    return [part for pair in times.items() for part in pair]


def spread_s(device_id: int) -> float:
    """Return a device's share of the minute, in seconds, as the scripts reckon it."""
    return device_id * 0.6180339887498949 % 1 * ASK_AFTER_S
