"""Shared by the benchmarks: services, servers in separate processes, load from keep-alive connections, and the table of results."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ecowatt.dev.embedded_services import EmbeddedServices, port_is_free  # noqa: E402
from ecowatt.dev.private_files import local_key  # noqa: E402
from ecowatt.env_files import POSTGRES, REDIS, VARIABLES  # noqa: E402

FOLDER = ROOT / ".local" / "bench"
RESULTS = Path(__file__).parent / "results"
DAPHNE = ["-m", "daphne", "--port", "{port}", "--verbosity", "0"]


class Load(NamedTuple):
    """The result of a load run: requests per second, median and 99th percentile in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


class Server(NamedTuple):
    """A running server: its port and its process."""

    port: int
    pid: int


@contextlib.contextmanager
def services() -> Iterator[None]:
    """Provide durable services, the environment's or embedded ones with fsync on; then load Django and migrate.

    Benchmarks use a new database of their own, so that they never touch real readings.
    """
    os.environ |= {"DJANGO_SETTINGS_MODULE": "ecowatt.settings", "ECOWATT_DOTENV": "off"}
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    missing = [name for name in (POSTGRES, REDIS) if not os.environ.get(VARIABLES[name])]
    with EmbeddedServices(FOLDER) as embedded:
        os.environ |= embedded.start(missing)
        os.environ.setdefault("KEY_SECRET", local_key(FOLDER))
        os.environ["URL_DATABASE_SQL"] = new_database("ecowatt_bench")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield


def new_database(name: str, template: str = "template1") -> str:
    """Create a database, replacing any old one, as a copy of another that nobody is connected to; return its URL."""
    address = urlsplit(os.environ["URL_DATABASE_SQL"])
    plain = address._replace(scheme="postgresql")
    with psycopg.connect(plain._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    return address._replace(path=f"/{name}").geturl()


@contextlib.contextmanager
def server(command: Sequence[str], **environment: str) -> Iterator[Server]:
    """Run a server whose command contains {port}; yield it when it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [sys.executable, *(word.format(port=port) for word in command)]
    process = subprocess.Popen(words, cwd=ROOT, env=os.environ | environment | {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"})
    try:
        deadline = time.monotonic() + 30
        while port_is_free("127.0.0.1", port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start: {' '.join(words)}")
            time.sleep(0.05)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(15)


class _Connection(asyncio.Protocol):
    """A keep-alive connection that sends the next request as soon as the last one got its 200."""

    def __init__(self, requests: Iterator[bytes], times: list[float], deadline: float, done: "asyncio.Future[None]") -> None:
        self.requests, self.times, self.deadline, self.done = requests, times, deadline, done
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._send()

    def _send(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self.answer.decode()))
            return
        now = time.perf_counter()
        self.times.append(now - self.started)
        self.answer = b""
        if now < self.deadline:
            self._send()
        else:
            self.transport.close()
            self.done.set_result(None)


def _same(connection: _Connection) -> _Connection:
    return connection


def post_request(path: str, body: bytes) -> bytes:
    """Return the bytes of a POST on a keep-alive connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send requests over all connections, each as fast as it is answered. Raises RuntimeError if an answer is not 200."""

    async def run() -> Load:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        started = time.perf_counter()
        finished = [loop.create_future() for _ in range(connections)]
        for done in finished:
            connection = _Connection(requests, times, started + seconds, done)
            await loop.create_connection(partial(_same, connection), "127.0.0.1", port)
        await asyncio.gather(*finished)
        elapsed = time.perf_counter() - started
        times.sort()
        return Load(len(times) / elapsed, times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000)

    return asyncio.run(run())


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(values)[int(len(values) * share)]


def report(name: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], **facts: Any) -> None:
    """Print a table and write it, with the facts, as JSON to benchmarks/results."""
    texts = [[f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[index]) for row in texts) for index in range(len(headings))]
    for row in texts:
        print(
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
    for fact, value in facts.items():
        print(f"{fact.replace('_', ' ')}: {value:,.3f}" if isinstance(value, float) else f"{fact.replace('_', ' ')}: {value}")
    RESULTS.mkdir(exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"benchmark": name, "at": at, "headings": headings, "rows": rows, **facts}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1))
