"""Results in the cache that all processes share."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pickle import UnpicklingError
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

# Another release may have cached classes that have changed since.
UNREADABLE = (AttributeError, ImportError, TypeError, ValueError, UnpicklingError)


def key_of(name: str, *parts: object) -> str:
    """Return the key of a result that depends on these parts, by their repr. A change that must show at once has to be among them."""
    return f"{name}:{sha256(repr(parts).encode()).hexdigest()}"


def cached(key: str, seconds: int, make: Callable[[], Any]) -> Any:
    """Return the result under the key, computed again after so many seconds, and each time while the cache is away."""
    with suppress(RedisError, *UNREADABLE):
        answer = cache.get(key)
        if answer is not None:
            return answer
    answer = make()
    with suppress(RedisError):
        cache.set(key, answer, seconds)
    return answer
