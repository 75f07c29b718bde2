"""Which process has an instance's number, in Redis: a broker lets two with one client id throw each other out for ever."""

import contextlib
import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

HOLDER = "ecowatt:ingest:{instance}:holder"
# An instance's number is forgotten like its session, some time after its last process.
LIFE_S = 7 * 86_400


class LeaseLost(Exception):
    """Another process has taken this one's number."""


class InstanceLease:
    """A process's lease of a number. The last process that took it has it; while Redis is away nobody loses it."""

    def __init__(self, store: Redis, instance: int) -> None:
        self._store = store
        self._key = HOLDER.format(instance=instance)
        self._token = secrets.token_hex(8).encode()

    async def take(self) -> None:
        """Take the number, from whoever has it."""
        with contextlib.suppress(RedisError, OSError):
            await self._store.set(self._key, self._token, ex=LIFE_S)

    async def check(self) -> None:
        """Raise LeaseLost where another process has taken the number since."""
        holder = None
        with contextlib.suppress(RedisError, OSError):
            holder = await self._store.get(self._key)
        if holder is not None and holder != self._token:
            raise LeaseLost
