"""Redis channels: published to after a commit, and subscribed to by a loop that notices a dead connection within seconds."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Never

import structlog
from django.db import transaction
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from common.async_tasks import raise_if_cancelled
from common.redis_connections import redis_client

log = structlog.get_logger(__name__)

PING_S = 1.5
SILENCE_S = 5.0
RETRY_S = 1.0
LOG_EVERY_S = 60.0


def announce(channel: str, *messages: str) -> None:
    """Publish the messages once the transaction is committed. They are lost while Redis is away, so subscribers must not depend on them."""

    def publish() -> None:
        try:
            for message in messages:
                redis_client().publish(channel, message)
        except RedisError as error:
            log.warning("a change was not announced: Redis is away", channel=channel, error=type(error).__name__)

    transaction.on_commit(publish)


async def incoming(pubsub: PubSub, *, poll_s: float) -> AsyncIterator[dict[str, Any] | None]:
    """Yield each message, and None after `poll_s` without one; in between the caller alone may subscribe or unsubscribe.

    The answers to its pings are yielded as well. Raises RedisError, OSError; also after SILENCE_S without any message, since a
    connection that was cut off may never report it.
    """
    received = pinged = time.monotonic()
    while True:
        raise_if_cancelled()
        message = await pubsub.get_message(timeout=poll_s)
        now = time.monotonic()
        if message is not None:
            received = now
        elif now - received > SILENCE_S:
            raise RedisConnectionError("no answer to pings")
        if now - pinged > PING_S:
            pinged = now
            await pubsub.ping()
        yield message


async def listen_for_ever(listen: Callable[[], Awaitable[None]], *, what: str) -> Never:
    """Call `listen` again whenever it ends, RETRY_S after a failure of any kind, which is logged with `what` at most once a minute."""
    silent_until = 0.0
    while True:
        raise_if_cancelled()
        try:
            await listen()
        except Exception as error:
            if time.monotonic() > silent_until:
                expected = isinstance(error, RedisError | OSError)
                log.warning(f"{what} not heard", error=type(error).__name__, reason=str(error), exc_info=not expected)
                silent_until = time.monotonic() + LOG_EVERY_S
            await asyncio.sleep(RETRY_S)
