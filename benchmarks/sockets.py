"""Two thousand phones on one Daphne, each watching its own device that sends every five seconds, and one phone that never reads.

Counts and times the frames that arrive, and measures the process's memory. The phone that never reads must be disconnected by the
server's ping while the others go on.
"""

import argparse
import asyncio
import contextlib
import gc
import resource
import socket
import time
from pathlib import Path

from _common import DAPHNE, percentile, report, server, services
from _home import families, token_of
from _live import Watch, meters, phones

EVERY_S = 5
# Daphne's defaults, 20 and 30 s, are longer than this benchmark.
PINGS = ["--ping-interval", "15", "--ping-timeout", "5"]


def allow_files(count: int) -> None:
    """Let this process and its children open this many files at once."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in {resource.RLIM_INFINITY} and hard < count:
        raise SystemExit(f"this needs {count} open files; the limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def deaf(port: int, device_id: int, token: str) -> socket.socket:
    """Return a socket that completes the handshake and then never reads or answers a ping."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        f"GET /ws/live/{device_id}?token={token} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return connection


def ended(connection: socket.socket) -> bool:
    """Read what has arrived; return whether the server has closed the connection."""
    connection.settimeout(1)
    with contextlib.suppress(ConnectionResetError), contextlib.closing(connection):
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
    return True


async def measure(port: int, pid: int, watched: list[tuple[int, str]], seconds: float) -> dict[str, float]:
    """Connect all phones, post readings, and return the figures."""
    watch, empty_mb, started = Watch(), memory_mb(pid), time.perf_counter()
    async with phones(port, watched, watch):
        connected_s = time.perf_counter() - started
        silent = deaf(port, *watched[0])
        await asyncio.sleep(2)  # until the writer knows which devices are watched
        due = await meters(port, len(watched), watch, per_second=len(watched) / EVERY_S, seconds=seconds)
        full_mb = memory_mb(pid)
        cut = await asyncio.to_thread(ended, silent)
    return {
        "sockets": len(watched),
        "seconds until all were connected": connected_s,
        "frames due": due,
        "frames delivered": len(watch.times_ms),
        "p50 ms": percentile(watch.times_ms, 0.5),
        "p99 ms": percentile(watch.times_ms, 0.99),
        "memory of the process without sockets, MB": empty_mb,
        "memory with them, MB": full_mb,
        "who never reads is cut off": cut,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=25.0, help="how long the devices send (%(default)s)")
    options = parser.parse_args()
    allow_files(options.sockets + 500)
    gc.disable()  # this process's own pauses must not count
    with services():
        watched = [(device_id, token_of(user)) for user, [device_id] in families(options.sockets)]
        with server([*DAPHNE, *PINGS, "ecowatt.asgi:application"]) as daphne:
            seen = asyncio.run(measure(daphne.port, daphne.pid, watched, options.seconds))
    report("sockets", ["", "figure"], list(seen.items()))
