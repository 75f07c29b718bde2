"""Connections to Redis, with the time limits that fit who waits for the answer."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

Options = Mapping[str, Any]

# A caller of the API waits: better an answer without what Redis knows than a late one.
REQUEST: Options = {"socket_connect_timeout": 1, "socket_timeout": 1}
# Nobody waits, and what is not sent is lost.
BACKGROUND: Options = {"socket_connect_timeout": 5, "socket_timeout": 5}
# Never retried by the library: a subscriber must subscribe anew after a failure and know that messages are missing.
SUBSCRIBER: Options = {**BACKGROUND, "retry": Retry(NoBackoff(), 0)}
# MQTT ingest sends in every batch, over a connection that may have gone stale in a quiet hour: checked, and tried once more at once.
INGEST: Options = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "retry": Retry(NoBackoff(), 1),
    "health_check_interval": 15,
}


def redis_client() -> redis.Redis:
    """Return the client that all threads of this process share, with the limits of REQUEST."""
    return _shared(settings.REDIS_URL)


@cache
def _shared(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, **REQUEST)


def async_redis_client(options: Options = REQUEST) -> redis.asyncio.Redis:
    """Return a new client for the running event loop; whoever asked for it closes it."""
    return redis.asyncio.Redis.from_url(settings.REDIS_URL, **options)
