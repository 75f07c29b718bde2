"""EcoWatt's own processes on the test's database, for what only real ones show."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from accounts.models import Home
from common.testing import await_true, free_port, listens
from devices.models import Device
from devices.presence.reporter import presence_reporter
from devices.registry import registry
from ecowatt.asgi import application
from ecowatt.env_files import ROOT
from telemetry.ingest.writer import writer
from telemetry.tests.mqtt_device import MACS
from telemetry.tests.processes import Process, database_url, ingest_process


@pytest.fixture
async def shelly() -> AsyncIterator[httpx.AsyncClient]:
    """A client that posts to the web application in this process, whose writer ends with the test."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        yield client
    await close_ingest()


async def close_ingest() -> None:
    """Close what storing readings has opened in this event loop, and the database's connections."""
    await writer().close()
    await presence_reporter().close()
    await registry().close()
    await sync_to_async(connections.close_all)()


@pytest.fixture(scope="module")
def module_daphne(django_db_setup: None) -> Iterator[str]:
    with _daphne() as address:
        yield address


@pytest.fixture
def daphne(transactional_db: None, module_daphne: str) -> str:
    """Host and port of a running web process, which the tests of a module share."""
    return module_daphne


@pytest.fixture
def other_daphne(transactional_db: None) -> Iterator[str]:
    """Host and port of another one beside it."""
    with _daphne() as address:
        yield address


@contextlib.contextmanager
def _daphne() -> Iterator[str]:
    port = free_port()
    pings = ["--ping-interval", "1", "--ping-timeout", "2"]
    command = [sys.executable, "-m", "daphne", "-p", str(port), *pings, "ecowatt.asgi:application"]
    server = subprocess.Popen(command, env=os.environ | {"URL_DATABASE_SQL": database_url()}, cwd=ROOT)
    try:
        await_true("the web process listens", lambda: server.poll() is not None or listens(port))
        assert server.poll() is None, "the web process ended at start"
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Any]:
    """Start ingest processes; those that still run are ended."""
    running: list[Process] = []

    def start(port: int, *options: str, awaited: bool = True, **environment: str) -> Process:
        one = ingest_process(tmp_path / f"{len(running)}.log", port, *options, **environment)
        running.append(one)
        if awaited:
            await_true("ingest is connected", one.is_connected)
        return one

    yield start
    for one in running:
        one.discard()


@pytest.fixture
def meters(home: Home) -> list[Device]:
    return Device.objects.bulk_create(Device(home=home, hardware_id=mac, name=mac) for mac in MACS)
