"""What the tests of every app wait with and listen on."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
