"""A queue for password hashes: each keeps a core busy for a good part of a second, and anybody may cause one."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from accounts.exceptions import Busy, TooManyAttempts
from common.async_database import release_connection

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# How many may be under way or wait in this process: a wait of some seconds. One network leaves room for others.
MOST, MOST_OF_A_NETWORK = 24 * CORES, 8 * CORES
RETRY_AFTER_S = 2

free_cores = threading.BoundedSemaphore(CORES)
_lock = threading.Lock()
_under_way: Counter[str] = Counter()


@contextmanager
def turn(network: str) -> Iterator[None]:
    """Wait until a core is free for a hash that the network asks for. Raises TooManyAttempts, Busy: its queue or everybody's is full.

    In a web process the connection to the database goes back to the pool first, unless a transaction is open.
    """
    _enter(network)
    try:
        release_connection()
        with free_cores:
            yield
    finally:
        _leave(network)


def under_way(network: str | None = None) -> int:
    """Return how many hashes are computed or wait in this process: for the network, or for all."""
    with _lock:
        return _under_way.total() if network is None else _under_way[network]


def _enter(network: str) -> None:
    with _lock:
        if _under_way.total() >= MOST:
            raise Busy(retry_after_s=RETRY_AFTER_S)
        if _under_way[network] >= MOST_OF_A_NETWORK:
            raise TooManyAttempts(retry_after_s=RETRY_AFTER_S)
        _under_way[network] += 1


def _leave(network: str) -> None:
    with _lock:
        _under_way[network] -= 1
        if not _under_way[network]:
            del _under_way[network]
