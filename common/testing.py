"""What the tests of every app wait with and listen on."""

import os
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection

# Linux gives none of them to outgoing connections, so that one is still free when a server starts, or comes back.
PORTS = range(20_000, 32_000)
# Each worker of pytest-xdist takes from its own share; a second run beside the first begins at another (TEST_PORT_SHARE).
SHARES = 16
_taken: set[int] = set()


def free_port() -> int:
    """Return a loopback port that nobody listens on, another one each time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (worker + int(os.environ.get("TEST_PORT_SHARE", "0"))) % SHARES
    while (port := secrets.choice(PORTS[share::SHARES])) in _taken or listens(port):
        pass
    _taken.add(port)
    return port


def listens(port: int) -> bool:
    """Return whether somebody listens on the loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def await_true(what: str, condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail with the words where it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never came to pass that {what}"
        time.sleep(0.02)


def together(work: Callable[[int], Any], times: int) -> list[Any]:
    """Run work in as many threads, all released at one instant, each with its own database connection."""
    barrier = Barrier(times)

    def run(number: int) -> Any:
        try:
            barrier.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))
