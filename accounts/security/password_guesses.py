"""Limits on wrong passwords, by account and network, and by account.

A guess is counted before the password is checked and taken back if it was right, so that parallel guesses can't exceed the limit. An
attacker uses up the guesses of one network; many networks together use up the account's, until its owner resets the password.
"""

import time
from contextlib import suppress

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from accounts.constants import HOUR_S
from accounts.exceptions import TooManyAttempts
from accounts.security import rate_limits as limits
from accounts.security.rate_limits import Limit


class Guess:
    """One guess at the password of an account, from a network."""

    def __init__(self, account: str, network: str) -> None:
        """Count it. Raises TooManyAttempts."""
        since = _cleared_at(account)
        here = Limit("login", settings.LOGIN_FAILURES_PER_ACCOUNT_AND_NETWORK_PER_HOUR, HOUR_S)
        anywhere = Limit("login_anywhere", settings.LOGIN_FAILURES_PER_ACCOUNT_PER_HOUR, HOUR_S)
        self._counted: list[tuple[Limit, str]] = []
        for limit, who in ((here, f"{account} {since} {network}"), (anywhere, f"{account} {since}")):
            if wait := limits.hit(limit, who):
                self.take_back()
                raise TooManyAttempts(retry_after_s=wait)
            self._counted.append((limit, who))

    def take_back(self) -> None:
        """Let it not count: it was right, or nobody looked at it."""
        for limit, who in self._counted:
            limits.take_back(limit, who)


def forget(account: str) -> None:
    """Let an account start anew: its owner has proven who they are."""
    with suppress(RedisError):
        cache.set(_clearing(account), time.time_ns(), HOUR_S)  # by then the windows from before are over


def _cleared_at(account: str) -> int:
    with suppress(RedisError):
        return int(cache.get(_clearing(account), 0))
    return 0


def _clearing(account: str) -> str:
    return limits.key(Limit("login_cleared", 0, HOUR_S), account)
