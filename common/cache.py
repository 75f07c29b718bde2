"""Answers that are kept for a while, for all processes together."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pickle import UnpicklingError
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

# What a program of another release has kept may be of classes that are not as they were.
UNREADABLE = (AttributeError, ImportError, TypeError, ValueError, UnpicklingError)


def key_of(name: str, *parts: object) -> str:
    """Return the key of an answer that hangs on these parts, as they print: what is to show at once must be among them."""
    return f"{name}:{sha256(repr(parts).encode()).hexdigest()}"


def kept(key: str, seconds: int, make: Callable[[], Any]) -> Any:
    """Return the answer under the key, made anew when it is older than so many seconds. Where the cache is away it is made each time."""
    with suppress(RedisError, *UNREADABLE):
        answer = cache.get(key)
        if answer is not None:
            return answer
    answer = make()
    with suppress(RedisError):
        cache.set(key, answer, seconds)
    return answer
