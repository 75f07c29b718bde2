"""What the broker dropped although it had accepted it: it must not, or acknowledged readings are lost."""

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

DROPPED_BEFORE = "ecowatt:broker:dropped"


async def compare_dropped(store: Redis, payload: bytes) -> None:
    """Warn where the broker's count of dropped messages has grown since any process last looked."""
    if not payload.isdigit():
        return
    dropped = int(payload)
    try:
        before = int(await store.getset(DROPPED_BEFORE, dropped) or 0)
    except (RedisError, OSError, ValueError):
        return
    fresh = dropped - before if dropped >= before else dropped  # a broker that was started anew counts from zero
    if fresh:
        log.warning(
            "the broker dropped messages that it had accepted: give it more room (max_queued_messages, max_queued_bytes)",
            count=fresh,
        )
