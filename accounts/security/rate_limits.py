"""How often a thing may be tried, counted in the cache for all processes together.

A window opens with its first hit and lasts the limit's period. Who is counted is stored as a keyed hash, never in clear.
Where the cache is away nothing is limited: a login matters more than its counter.

REST framework's throttles would not do: they count requests by user or address, while a guess at a password counts by account and
network, is taken back when it was right, and comes from the admin's form, too; and they read and write a list of times in two steps, so
parallel requests slip through together.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog
from django.conf import settings
from django.core.cache import cache
from django.utils.crypto import salted_hmac
from redis.exceptions import RedisError

from accounts.constants import HOUR_S, MINUTE_S
from accounts.email_addresses import normalized

log = structlog.get_logger(__name__)


class Limit(NamedTuple):
    """At most `most` hits within `period_s` seconds."""

    name: str
    most: int
    period_s: int


def account(email: str) -> str:
    """Return what counts as one account: the e-mail as it is compared, whether or not anybody has it."""
    return normalized(email).lower()


def account_mails() -> Limit:
    """Return the limit on mails to one account."""
    return Limit("mail", settings.MAILS_PER_ACCOUNT_PER_HOUR, HOUR_S)


def address_requests() -> Limit:
    """Return the limit on what one address asks for without being logged in: logins, registrations, forgotten passwords."""
    return Limit("address", settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE, MINUTE_S)


class _Window(NamedTuple):
    """A counter's key, and the Unix time in ms at which it ends."""

    counter: str
    end_ms: int


def key(limit: Limit, who: str) -> str:
    """Return the key of a counter in the cache; who is counted can't be read from it."""
    return f"limit:{limit.name}:{salted_hmac('accounts.security.rate_limits', who).hexdigest()}"


def _window(limit: Limit, who: str, now_ms: int) -> _Window | None:
    """Return the window that is open, if one is."""
    opened_ms = cache.get(name := key(limit, who))
    end_ms = (opened_ms or 0) + limit.period_s * 1000
    return _Window(f"{name}:{opened_ms}", end_ms) if end_ms > now_ms else None


def _opened_window(limit: Limit, who: str, now_ms: int) -> _Window:
    """Return the open window, opening one if there is none; parallel callers agree on it."""
    name = key(limit, who)
    cache.add(name, now_ms, limit.period_s)
    if window := _window(limit, who, now_ms):
        return window
    cache.set(name, now_ms, limit.period_s)  # it closed just now
    return _Window(f"{name}:{now_ms}", now_ms + limit.period_s * 1000)


def _count(limit: Limit, who: str, now_ms: int) -> int:
    window = _opened_window(limit, who, now_ms)
    cache.add(window.counter, 0, 2 * limit.period_s)  # outlives its window, so it is never gone between these two lines
    if cache.incr(window.counter) <= limit.most:
        return 0
    cache.decr(window.counter)  # it does not happen
    return max(1, math.ceil((window.end_ms - now_ms) / 1000))


def _uncount(limit: Limit, who: str, now_ms: int) -> int:
    if window := _window(limit, who, now_ms):
        with suppress(ValueError):  # the counter is gone
            cache.decr(window.counter)
    return 0


def _unless_away(ask: Callable[[Limit, str, int], int], limit: Limit, who: str, now: float | None) -> int:
    try:
        return ask(limit, who, int((time.time() if now is None else now) * 1000))
    except RedisError as error:
        log.warning("limit_not_counted", limit=limit.name, error=str(error))
        return 0


def hit(limit: Limit, who: str, now: float | None = None) -> int:
    """Count one; return the seconds to wait if that is one too many, else 0. `now` is Unix time in s."""
    return _unless_away(_count, limit, who, now)


def take_back(limit: Limit, who: str, now: float | None = None) -> None:
    """Undo one hit that turned out not to count. `now` is Unix time in s."""
    _unless_away(_uncount, limit, who, now)
