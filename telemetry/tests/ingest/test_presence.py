"""Signs of life and unproven devices of readings over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx
import pytest
import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings as configured
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from devices.discovery import FACTS, MOST, SHARE, UNPROVEN, UnprovenDevice, seen_among, unclaimed_near
from devices.models import Device, RelayState
from devices.presence.redis_scripts import KEYS
from devices.presence.reporter import PresenceReporter
from ecowatt.asgi import application
from telemetry.tests.conftest import close_ingest
from telemetry.tests.posts import MAC, PATH, body

pytestmark = pytest.mark.django_db(transaction=True)
HOUSE = "189.203.1.2"
UNKNOWN = "34987ae4d353"


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        await client.delete(*KEYS, UNPROVEN, FACTS)
        yield client
        await client.delete(*KEYS, UNPROVEN, FACTS)


@pytest.fixture
async def shelly(store: redis.asyncio.Redis) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application, client=(HOUSE, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
    await close_ingest()


async def until(happens: Callable[[], Awaitable[object]]) -> None:
    for _ in range(1_000):
        if await happens():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not happen")


async def near(store: redis.asyncio.Redis, address: str) -> list[UnprovenDevice]:
    return [one._replace(seen=0.0) for one in await unclaimed_near(store, mac=None, address=address, now=time.time())]


@sync_to_async
def is_online() -> bool:
    return Device.objects.get().is_online


async def test_a_stored_reading_is_a_sign_of_life(shelly: httpx.AsyncClient, meter: Device) -> None:
    assert (await shelly.post(PATH, json=body())).status_code == 200
    await until(is_online)


async def test_an_unknown_device_is_remembered_with_its_power_and_address(
    shelly: httpx.AsyncClient, store: redis.asyncio.Redis
) -> None:
    channels = body(40.0, UNKNOWN) | {"switch:1": {"apower": 2.5}}
    assert (await shelly.post(PATH, json=channels, headers={"X-Forwarded-For": "187.190.7.8"})).status_code == 404
    await until(lambda: near(store, HOUSE))
    assert await near(store, HOUSE) == [UnprovenDevice(UNKNOWN, "", 42.5, HOUSE, places=(HOUSE,))]


def told() -> UnprovenDevice | None:
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        return seen_among(client, [MAC.lower()], now=time.time()).get(MAC.lower())


def has_switched(times: int) -> bool:
    seen = told()
    return seen is not None and len(seen.switched_at) == times


async def test_a_claimed_device_is_watched_until_it_is_proven(
    shelly: httpx.AsyncClient, meter: Device, api: APIClient, store: redis.asyncio.Redis
) -> None:
    await sync_to_async(Device.objects.update)(proven_at=None)
    for turn, output in enumerate((True, False, True)):
        channels = body()
        channels["switch:0"]["output"] = output
        assert (await shelly.post(PATH, json=channels)).status_code == 200
        await until(sync_to_async(partial(has_switched, turn)))
    seen = await sync_to_async(told)()
    assert seen is not None
    assert (seen.places, seen.is_claimed, seen.is_on) == ((HOUSE,), True, True)
    answer = await sync_to_async(api.get)("/api/v1/devices/", REMOTE_ADDR=HOUSE)
    assert answer.json()[0]["dev_proven"] is True


async def test_of_a_proven_device_nothing_is_remembered(
    shelly: httpx.AsyncClient, meter: Device, store: redis.asyncio.Redis
) -> None:
    assert (await shelly.post(PATH, json=body())).status_code == 200
    assert (await shelly.post(PATH, json=body(mac=UNKNOWN))).status_code == 404
    await until(lambda: near(store, HOUSE))
    assert [one.mac for one in await near(store, HOUSE)] == [UNKNOWN]


async def test_behind_a_proxy_the_address_is_the_one_that_it_saw(
    shelly: httpx.AsyncClient, store: redis.asyncio.Redis, settings: Settings
) -> None:
    settings.PROXY_COUNT = 1
    await shelly.post(PATH, json=body(mac=UNKNOWN), headers={"X-Forwarded-For": "6.6.6.6, 187.190.7.8"})
    await until(lambda: near(store, "187.190.7.8"))
    assert await near(store, HOUSE) == []


async def test_without_redis_readings_are_stored_and_memory_stays_bounded(
    shelly: httpx.AsyncClient, meter: Device, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for _ in range(3):
        assert (await shelly.post(PATH, json=body())).status_code == 200
    assert (await shelly.post(PATH, json=body(mac=UNKNOWN))).status_code == 404
    reporter = PresenceReporter()
    for number in range(MOST + 500):
        reporter.unproven(UnprovenDevice(f"{number:012x}", "", None, None))
    assert len(reporter.waiting) == MOST
    assert reporter.waiting[0].mac == f"{500:012x}"
    for number in range(MOST):
        reporter.unproven(UnprovenDevice(f"f{number % 50:011x}", "", float(number), HOUSE))
    assert len([one for one in reporter.waiting if one.address]) == SHARE
    assert {one.mac: one.power_w for one in reporter.waiting}["f00000000000"] == MOST - 50
    await reporter.close()


async def test_what_a_post_says_of_the_relay_is_written_down(shelly: httpx.AsyncClient, meter: Device) -> None:
    for output in (True, True, False):
        posted = body()
        posted["switch:0"] |= {"output": output}
        assert (await shelly.post(PATH, json=posted)).status_code == 200
    relays = RelayState.objects.filter(device=meter, channel=0, is_on=False)
    await until(relays.aexists)
