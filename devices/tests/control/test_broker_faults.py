"""Commands while the broker goes and comes back, and what the app does after it has added a device, on every kind of broker."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Home
from common.testing import free_port
from common.tests.mqtt.mosquitto import mosquitto, needed
from devices.control import rpc as rpc_module
from devices.control.kept import kept_send
from devices.models import Command, Device
from devices.tests.control.conftest import MAC
from devices.tests.simulator.online import Online

THE_RUNS_OWN = django_settings.MQTT_BROKER_PORT  # the embedded broker, unless the environment names another
AWAY = (503, {"detail": "MQTT Backend desconectado"})
SILENT = (503, {"detail": "Dispositivo no responde (Timeout)"})


class Broker:
    """A Mosquitto that comes and goes on one port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._running = ExitStack()

    def start(self) -> None:
        self._running.enter_context(mosquitto(port=self.port))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    one = Broker()
    settings.MQTT_BROKER_PORT = one.port
    one.start()
    yield one
    one.stop()


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(600):
        if await happens():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not happen")


@needed
async def test_a_broker_that_stops_in_mid_command_fails_it_and_keeps_what_is_to_be_kept(
    broker: Broker,
    phone: httpx.AsyncClient,
    meter: Device,
    go_online: Callable[..., Online],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc_module, "ANSWER_S", 3.0)
    shelly = await sync_to_async(go_online)()
    shelly.device.faults.is_silent = True  # so that the broker goes before it answers

    async def command(path: str, **body: int) -> tuple[int, dict[str, str]]:
        answer = await phone.post(f"/control/{meter.pk}/{path}", json=body)
        return answer.status_code, answer.json()

    async def answers(path: str, expected: tuple[int, dict[str, str]]) -> bool:
        return await command(path) == expected

    under_way = []
    for path, body in (("off", {}), ("on", {"keep_for": 3600})):
        under_way.append(asyncio.create_task(command(path, **body)))
        await until(lambda: sync_to_async(lambda: shelly.running.counts["requests"] == len(under_way))())
    await sync_to_async(broker.stop)()
    assert await under_way[0] in (SILENT, AWAY)
    assert (await under_way[1])[0] == 202
    await until(lambda: answers("off", AWAY))
    assert {one.on: one.state async for one in Command.objects.all()} == {False: "failed", True: "waiting"}

    await sync_to_async(broker.start)()
    shelly.device.faults.is_silent = False

    async def kept_is_done() -> bool:
        await Device.objects.filter(pk=meter.pk).aupdate(is_online=True, last_seen_at=timezone.now())
        await kept_send()
        return await Command.objects.filter(state="done", on=True).aexists()

    await until(kept_is_done)


@pytest.mark.parametrize("kind", ["the run's own", pytest.param("mosquitto", marks=needed)])
async def test_the_app_adds_a_device_and_switches_it_on_every_broker(
    kind: str, broker_port: int, phone: httpx.AsyncClient, home: Home, go_online: Callable[..., Online], settings: Settings
) -> None:
    settings.MQTT_BROKER_PORT = broker_port if kind == "mosquitto" else THE_RUNS_OWN
    added = await phone.post("/devices/", json={"dev_hardware_id": MAC.upper(), "dev_name": "TV", "dev_mqtt_prefix": None})
    assert added.status_code == 201, added.text
    device_id = added.json()["dev_id"]
    shelly = await sync_to_async(go_online)()
    for _ in range(8):  # as the app does until one is answered
        answer = await phone.post(f"/control/{device_id}/set", json={"state": False})
        assert (answer.status_code, answer.json()["new_state"], answer.json()["action"]) == (200, False, "apagado")
    assert [relay.is_on for relay in shelly.device.relays] == [False]
    assert (await phone.post(f"/control/{device_id}/toggle")).json()["new_state"] is True
    found = (await phone.get(f"/control/{device_id}/status")).json()
    assert (found["success"], found["device_name"], found["status"]["output"], found["error"]) == (True, "TV", True, None)
    assert (await phone.delete(f"/devices/{device_id}")).status_code == 204
    assert (await phone.post(f"/control/{device_id}/set", json={"state": False})).status_code == 404
