"""What the app's profile screen polls, over a real Daphne, compared with a Django view that does nothing.

There is one connection at a time, so each time is that of a single request; CPU time is that of the web process.
"""

import argparse
import itertools
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

from _common import DAPHNE, Server, load, report, server, services
from _home import families, token_of

PATHS = ("/empty", "/api/v1/users/me", "/api/v1/devices/")
AIM_MS = 5.0
DEVICES = 4


def cpu_s(pid: int) -> float:
    """Return the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def requests(path: str, tokens: list[str]) -> Iterator[bytes]:
    """Yield the requests of phones in turn."""
    for token in itertools.cycle(tokens):
        yield f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def measure(daphne: Server, path: str, tokens: list[str], seconds: float) -> tuple[float, float, float]:
    """Return p50 and p99 of the times, and the CPU time per request, all in ms."""
    before = cpu_s(daphne.pid)
    seen = load(daphne.port, requests(path, tokens), connections=1, seconds=seconds)
    return seen.p50_ms, seen.p99_ms, (cpu_s(daphne.pid) - before) / (seen.per_second * seconds) * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run")
    options = parser.parse_args()
    with services():
        tokens = [token_of(user) for user, _devices in families(options.phones, circuits=DEVICES)]
        with server([*DAPHNE, "_empty_view:application"]) as daphne:
            for path in PATHS:  # the first requests open connections
                measure(daphne, path, tokens, 0.5)
            rounds = [{path: measure(daphne, path, tokens, options.seconds) for path in PATHS} for _ in range(options.rounds)]
    figures = {path: [statistics.median(each[path][column] for each in rounds) for column in range(3)] for path in PATHS}
    empty_ms = figures[PATHS[0]][2]
    rows = [(path, *times_ms, times_ms[2] / empty_ms) for path, times_ms in figures.items()]
    headings = ["", "p50 ms", "p99 ms", "CPU ms", "CPU of the empty view"]
    met = all(p50_ms < AIM_MS for p50_ms, _p99_ms, _cpu_ms in figures.values())
    report("phone", headings, rows, devices_of_a_home=DEVICES, aim_p50_ms=AIM_MS, aim_met=met)
