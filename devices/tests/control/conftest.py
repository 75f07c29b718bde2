"""The web application of this process, and a home's simulated Shelly on a broker beside it."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Home, User
from common.tests.mqtt.mosquitto import BINARY, mosquitto
from conftest import access_token
from devices.control.api.status_endpoint import status_grants
from devices.control.rpc import rpc
from devices.models import Device
from devices.simulator.shelly.device import Device as Shelly
from devices.tests.simulator.online import QUICK, Online, online
from devices.tests.simulator.shelly.devices_to_test import device
from ecowatt.asgi import application

# Where there is no Mosquitto, the broker is one for all workers that run tests, so each has a Shelly of its own.
MAC = f"02{secrets.token_hex(5)}"


def simulated(mac: str = MAC, model: str = "shellyplus1pm", **mqtt: Any) -> Shelly:
    server = f"{django_settings.MQTT_BROKER_HOST}:{django_settings.MQTT_BROKER_PORT}"
    return device(model, mac=mac, mqtt={"enable": True, "server": server} | mqtt)


@pytest.fixture
def meter(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id=MAC, name="Cocina", proven_at=timezone.now())


@pytest.fixture
def shelly(meter: Device) -> Iterator[Online]:
    """The home's meter, online."""
    with online(simulated()) as one:
        yield one


@pytest.fixture
def go_online() -> Iterator[Callable[..., Online]]:
    """Bring a Shelly online; `timing` is when it obeys, the rest says which it is."""
    with ExitStack() as stack:
        yield lambda *args, timing=QUICK, **options: stack.enter_context(online(simulated(*args, **options), timing=timing))


def client_for(user: User | None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {access_token(user)}"} if user else {}
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=headers, timeout=30)


@pytest.fixture(scope="module")
def broker_port() -> Iterator[int]:
    """A Mosquitto of the module's own, where there is one: other workers' tests flood the run's own broker, and answers come late."""
    if BINARY is None:
        yield django_settings.MQTT_BROKER_PORT
        return
    with mosquitto() as port:
        yield port


@pytest.fixture(autouse=True)
def _own_broker(broker_port: int, settings: Settings) -> None:
    settings.MQTT_BROKER_PORT = broker_port


@pytest.fixture(autouse=True)
def _no_connection_outlives_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)


@pytest.fixture
async def phone(transactional_db: None, owner: User) -> AsyncIterator[httpx.AsyncClient]:
    """The owner's phone."""
    async with await sync_to_async(client_for)(owner) as client:
        yield client
    await close_control()


async def close_control() -> None:
    await status_grants().close()
    if django_settings.MQTT_BROKER_HOST:
        await rpc().close()
    await sync_to_async(connections.close_all)()


@pytest.fixture
def stranger_phone(transactional_db: None, stranger: User) -> httpx.AsyncClient:
    return client_for(stranger)
