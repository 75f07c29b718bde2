"""Which process holds each device's socket, in Redis, and messages to that process.

The entry of a device lives for a moment that its process prolongs, so that none outlives its process for long.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from common.redis_connections import REQUEST, SUBSCRIBER, async_redis_client

HOLDER_OF = "ecowatt:sockets:holder-of:"
PROCESS = "ecowatt:sockets:process:"
# What is sent to this process goes to each.
EVERYBODY = "all"
HELD_S = 15
# Each request to Redis that is under way has a connection of its own.
MOST_CONNECTIONS = 16
# Returns the process before. The key, the process, seconds.
TAKE = """
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return before
"""
# Prolongs what is the process's, be it that Redis lost it, and returns what is another's by now. The process, seconds, MACs.
RENEW = f"""
local lost = {{}}
for i = 3, #ARGV do
    local key = '{HOLDER_OF}' .. ARGV[i]
    local holder = redis.call('GET', key)
    if holder and holder ~= ARGV[1] then lost[#lost + 1] = ARGV[i]
    else redis.call('SET', key, ARGV[1], 'EX', ARGV[2]) end
end
return lost
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class SocketHolders:
    """The entries as one process reads and writes them. Everything raises RedisError, OSError where Redis is away."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        # Never tried again by the client: a message that was perhaps sent may switch a relay.
        self._redis: Any = async_redis_client({**REQUEST, "retry": SUBSCRIBER["retry"]})
        self._gate = asyncio.Semaphore(MOST_CONNECTIONS)

    @property
    def channel(self) -> str:
        """On which the process gets messages."""
        return PROCESS + self.process

    async def close(self) -> None:
        await self._redis.aclose()

    async def holder_of(self, mac: str) -> str | None:
        """Return the process that holds the device's socket, None where none or this one does."""
        async with self._gate:
            return self._other(await self._redis.get(HOLDER_OF + mac))

    async def take(self, mac: str) -> str | None:
        """Note that this process holds the device's socket, and return the one that held an older one."""
        async with self._gate:
            return self._other(await self._redis.eval(TAKE, 1, HOLDER_OF + mac, self.process, HELD_S))

    async def renew(self, macs: Iterable[str]) -> list[str]:
        """Prolong what this process holds, and return the devices whose sockets another one has by now."""
        return [mac.decode() for mac in await self._redis.eval(RENEW, 0, self.process, HELD_S, *macs)]

    async def release(self, mac: str) -> None:
        """Note that this process holds the device's socket no more."""
        async with self._gate:
            await self._redis.eval(RELEASE, 1, HOLDER_OF + mac, self.process)

    async def send(self, process: str, message: Mapping[str, Any]) -> bool:
        """Send a message to a process, and return whether it was there to get it."""
        async with self._gate:
            return bool(await self._redis.publish(PROCESS + process, orjson.dumps(message)))

    def _other(self, process: bytes | None) -> str | None:
        return process.decode() if process is not None and process.decode() != self.process else None
