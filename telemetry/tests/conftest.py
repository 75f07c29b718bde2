"""A real Daphne on the test's own database, for what only a real server shows."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.db import connection

from ecowatt.embedded import ROOT


def database_url() -> str:
    """Return the address of the test database as the settings read it."""
    target = connection.settings_dict
    login = f"{quote(target['USER'])}:{quote(target['PASSWORD'])}@" if target["USER"] else ""
    port = f":{target['PORT']}" if target["PORT"] else ""
    sockets = target["OPTIONS"].get("host", "")
    return f"postgresql://{login}{target['HOST']}{port}/{target['NAME']}" + (f"?host={sockets}" if sockets else "")


@pytest.fixture
def daphne(transactional_db: None) -> Iterator[str]:
    """Host and port of a running web process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "daphne",
        "-p",
        str(port),
        "--ping-interval",
        "1",
        "--ping-timeout",
        "2",
        "ecowatt.asgi:application",
    ]
    server = subprocess.Popen(command, env=os.environ | {"URL_DATABASE_SQL": database_url()}, cwd=ROOT)
    try:
        _await_port(port, server)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _await_port(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert server.poll() is None, "the web process ended at start"
            assert time.monotonic() < deadline, "the web process does not listen"
            time.sleep(0.05)
        else:
            return
