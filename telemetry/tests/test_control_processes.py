"""Control by real processes: two web processes command at once, and both die while a command waits, which ingest delivers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from accounts.models import User
from common.testing import await_true, free_port
from common.tests.mqtt.mosquitto import mosquitto, needed
from conftest import access_token
from devices.models import Command, Device
from devices.simulator.connections.running import Timing
from devices.tests.simulator.online import QUICK, online
from devices.tests.simulator.shelly.devices_to_test import device
from telemetry.tests.processes import Process, ingest_process, web_process

pytestmark = [needed, pytest.mark.django_db(transaction=True)]
SLOW = Timing(obeys=(1.0, 1.1), reconnects=(0.02, 0.2))


@pytest.fixture(autouse=True)
async def _close_connections() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def broker() -> Iterator[int]:
    with mosquitto() as port:
        yield port


@pytest.fixture
def webs(tmp_path: Path, broker: int) -> Iterator[dict[int, Process]]:
    """Two web processes by their port."""
    settings = {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(broker)}
    running = {port: web_process(tmp_path / f"{port}.log", port, **settings) for port in (free_port(), free_port())}
    for web in running.values():
        await_true("the web process listens", lambda web=web: web.said("Listening on TCP"))  # type: ignore[misc]
    yield running
    for web in running.values():
        web.discard()


async def command(port: int, token: object, path: str, **body: int) -> httpx.Response:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as phone:
        return await phone.post(f"http://127.0.0.1:{port}/api/v1/control/{path}", json=body)


async def test_two_processes_send_a_command_once_and_what_waits_when_they_die_is_delivered(
    webs: dict[int, Process], broker: int, meter: Device, owner: User, tmp_path: Path
) -> None:
    await Device.objects.filter(pk=meter.pk).aupdate(proven_at=timezone.now())
    token = await sync_to_async(access_token)(owner)
    mqtt = {"enable": True, "server": f"127.0.0.1:{broker}"}
    with ExitStack() as stack:
        shelly = await sync_to_async(stack.enter_context)(online(device(mac=meter.hardware_id, mqtt=mqtt), timing=SLOW))
        answers = await asyncio.gather(*(command(port, token, f"{meter.pk}/toggle") for port in webs))
        assert [one.status_code for one in answers] == [200, 200], [one.text for one in answers]
        assert len({one.json()["command_id"] for one in answers}) == 1
        assert [relay.is_on for relay in shelly.device.relays] == [False]  # twice it would be on again
    kept = await command(next(iter(webs)), token, f"{meter.pk}/off", keep_for=3600)
    assert kept.status_code == 202, kept.text
    for web in webs.values():
        web.discard()
    await sync_to_async(_delivered)(meter, broker, tmp_path, kept.json()["command_id"])


def _delivered(meter: Device, broker: int, folder: Path, command_id: int) -> None:
    ingest = ingest_process(folder / "ingest.log", broker)
    try:
        await_true("ingest is connected", ingest.is_connected)
        mqtt = {"enable": True, "server": f"127.0.0.1:{broker}"}
        with online(device(mac=meter.hardware_id, mqtt=mqtt), timing=QUICK) as shelly:
            await_true("the command is done", lambda: Command.objects.get(pk=command_id).state == "done")
            assert [relay.is_on for relay in shelly.device.relays] == [False]
    finally:
        ingest.discard()
