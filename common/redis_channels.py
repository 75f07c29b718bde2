"""Redis channels: told to all processes after a commit, and listened to: news, or an exception soon where the connection is dead."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Never

import structlog
from django.db import transaction
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from common.async_tasks import heed_cancellation
from common.redis_connections import redis_client

log = structlog.get_logger(__name__)

PING_S = 1.5
SILENCE_S = 5.0
RETRY_S = 1.0
LOG_EVERY_S = 60.0


def announce(channel: str, *messages: str) -> None:
    """Publish the messages once the transaction is committed. Where Redis is away they are lost, so who listens must not need them."""

    def publish() -> None:
        try:
            for message in messages:
                redis_client().publish(channel, message)
        except RedisError as error:
            log.warning("a change was not announced: Redis is away", channel=channel, error=type(error).__name__)

    transaction.on_commit(publish)


async def news(pubsub: PubSub, *, poll_s: float) -> AsyncIterator[dict[str, Any] | None]:
    """Yield each message, and None where none came for `poll_s`; between two, the caller alone may subscribe or unsubscribe.

    Pings are sent, and their answers are messages too. Raises RedisError, OSError; also when nothing came for SILENCE_S, since a
    connection that was cut off silently never says so.
    """
    heard = pinged = time.monotonic()
    while True:
        heed_cancellation()
        message = await pubsub.get_message(timeout=poll_s)
        now = time.monotonic()
        if message is not None:
            heard = now
        elif now - heard > SILENCE_S:
            raise RedisConnectionError("no answer to pings")
        if now - pinged > PING_S:
            pinged = now
            await pubsub.ping()
        yield message


async def listen_for_ever(listen: Callable[[], Awaitable[None]], *, what: str) -> Never:
    """Call it again whenever it ends, after a pause where it failed, however it did; `what` is then not heard, says the log."""
    silent_until = 0.0
    while True:
        heed_cancellation()
        try:
            await listen()
        except Exception as error:
            if time.monotonic() > silent_until:
                expected = isinstance(error, RedisError | OSError)
                log.warning(f"{what} not heard", error=type(error).__name__, reason=str(error), exc_info=not expected)
                silent_until = time.monotonic() + LOG_EVERY_S
            await asyncio.sleep(RETRY_S)
