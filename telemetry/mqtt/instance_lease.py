"""Which process has an instance's number, in Redis: a broker lets two with one client id throw each other out for ever."""

import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

HOLDER = "ecowatt:ingest:{instance}:holder"
# An instance's number is forgotten like its session, some time after its last process.
LIFE_S = 7 * 86_400


class Claim:
    """A process's claim to a number. The last to claim has it; while Redis is away nobody loses it."""

    def __init__(self, store: Redis, instance: int) -> None:
        """Claim nothing yet."""
        self._store = store
        self._key = HOLDER.format(instance=instance)
        self._token = secrets.token_hex(8).encode()

    async def make(self) -> None:
        """Take the number, from whoever has it."""
        try:
            await self._store.set(self._key, self._token, ex=LIFE_S)
        except (RedisError, OSError):
            return

    async def is_lost(self) -> bool:
        """Tell whether another process has taken the number since."""
        try:
            holder = await self._store.get(self._key)
        except (RedisError, OSError):
            return False
        return holder is not None and holder != self._token
