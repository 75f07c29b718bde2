"""Answers that are kept for a while, for all processes together."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError


def kept(key: str, seconds: int, make: Callable[[], Any]) -> Any:
    """Return the answer under the key, made anew when it is older than so many seconds. Where the cache is away it is made each time."""
    with suppress(RedisError):
        answer = cache.get(key)
        if answer is not None:
            return answer
    answer = make()
    with suppress(RedisError):
        cache.set(key, answer, seconds)
    return answer
