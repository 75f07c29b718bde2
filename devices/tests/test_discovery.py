"""Unknown devices: how they are remembered, and who gets to see them."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from asgiref.sync import async_to_sync
from django.conf import settings as configured
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from devices.discovery import FACTS, SHARE, UNPROVEN, UnprovenDevice, note_unproven, unclaimed_near
from devices.models import Device
from devices.presence.redis_scripts import SEEN

PATH = "/api/v1/devices/nearby"
MAC = "34987ae4d353"
HOUSE, ELSEWHERE = "189.203.1.2", "187.190.7.8"
NOW = 1_800_000_000.0
SOME = UnprovenDevice(MAC, "shellypro4pm", 412.5, HOUSE)


@pytest.fixture(autouse=True)
def _nobody() -> Iterator[None]:
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        client.delete(UNPROVEN, FACTS, SEEN)
        yield
        client.delete(UNPROVEN, FACTS, SEEN)


@pytest.fixture
async def store() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(configured.REDIS_URL) as client:
        yield client


@async_to_sync
async def heard(*devices: UnprovenDevice) -> None:
    async with redis.asyncio.Redis.from_url(configured.REDIS_URL) as client:
        await note_unproven(client, devices, time.time())


def macs(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [row["dev_hardware_id"] for row in answer.json()]


async def near_to(store: Any, address: str) -> list[UnprovenDevice]:
    return await unclaimed_near(store, mac=None, address=address, now=NOW + 9)


async def test_a_stranger_is_found_by_mac_and_by_address_for_an_hour(store: Any) -> None:
    await note_unproven(store, [SOME], NOW)
    for wanted, watts in (({"mac": MAC, "address": None}, None), ({"mac": None, "address": HOUSE}, 412.5)):
        assert await unclaimed_near(store, **wanted, now=NOW + 3_599) == [
            SOME._replace(seen=NOW, power_w=watts, places=("broker",))
        ]
        assert await unclaimed_near(store, **wanted, now=NOW + 3_600) == []
    assert await unclaimed_near(store, mac=None, address=None, now=NOW) == []
    assert await unclaimed_near(store, mac="000000000000", address=ELSEWHERE, now=NOW) == []


async def test_what_a_later_message_does_not_say_stays(store: Any) -> None:
    await note_unproven(store, [SOME], NOW)
    await note_unproven(store, [UnprovenDevice(MAC, "", 7.0, None)], NOW + 1)
    assert await unclaimed_near(store, mac=MAC, address=HOUSE, now=NOW + 2) == [
        SOME._replace(power_w=7.0, seen=NOW + 1, places=("broker",))
    ]


async def test_no_more_than_a_thousand_are_kept_and_the_oldest_go(store: Any) -> None:
    for batch in range(4):
        crowd = [UnprovenDevice(f"{batch:02x}{number:010x}", "shellyplus1pm", None, None) for number in range(400)]
        await note_unproven(store, crowd, NOW + batch)
    assert (await store.zcard(UNPROVEN), await store.hlen(FACTS)) == (1_000, 1_000)
    assert await store.zcount(UNPROVEN, NOW + 2, NOW + 3) == 800


async def test_invented_devices_push_out_those_of_their_own_address_alone(store: Any) -> None:
    own = [UnprovenDevice(f"00{number:010x}", "", None, HOUSE) for number in range(SHARE)]
    by_mqtt = UnprovenDevice("aa0000000000", "shellyplus1pm", 1.0, None)
    await note_unproven(store, [*own, by_mqtt, UnprovenDevice("bb0000000000", "", None, None)], NOW)
    for second in range(1, 4):
        crowd = [UnprovenDevice(f"{second:02x}{number:010x}", "", None, ELSEWHERE) for number in range(1_000)]
        await note_unproven(store, crowd, NOW + second)
    assert {one.mac[:2] for one in await near_to(store, ELSEWHERE)} == {"03"}
    assert len(await near_to(store, ELSEWHERE)) == SHARE
    assert len(await near_to(store, HOUSE)) == SHARE
    botnet = [UnprovenDevice(f"cc{number:010x}", "", None, f"187.{number // 250}.{number % 250}.1") for number in range(1_100)]
    await note_unproven(store, botnet, NOW + 9)
    assert await store.zcard(UNPROVEN) == 1_000 + 2
    assert await unclaimed_near(store, mac=by_mqtt.mac, address=None, now=NOW + 9) == [
        by_mqtt._replace(seen=NOW, power_w=None, places=("broker",))
    ]


async def test_who_was_silent_for_an_hour_is_dropped_by_the_next_message(store: Any) -> None:
    await note_unproven(store, [SOME], NOW)
    await note_unproven(store, [UnprovenDevice("000000000001", "", None, None)], NOW + 3_601)
    assert await store.hkeys(FACTS) == [b"000000000001"]


@pytest.mark.parametrize("spelling", ["34987AE4D353", "34:98:7a:e4:d3:53", "shellypro4pm-34987ae4d353"])
def test_who_knows_the_mac_sees_the_device_and_not_what_it_draws(api: APIClient, spelling: str) -> None:
    heard(SOME, UnprovenDevice("000000000001", "", None, ELSEWHERE))
    answer = api.get(PATH, {"mac": spelling})
    (row,) = answer.json()
    assert row.pop("last_seen").endswith("Z")
    assert row == {"dev_hardware_id": "34987AE4D353", "dev_model": "shellypro4pm", "power_w": None}
    (row,) = api.get(PATH, {"mac": spelling}, REMOTE_ADDR=HOUSE).json()
    assert row["power_w"] == 412.5


def test_a_device_shows_to_its_own_public_address_alone(api: APIClient, stranger_api: APIClient) -> None:
    heard(SOME)
    assert macs(api.get(PATH, REMOTE_ADDR=HOUSE)) == ["34987AE4D353"]
    assert macs(stranger_api.get(PATH, REMOTE_ADDR=ELSEWHERE)) == []
    assert macs(stranger_api.get(PATH + "/", {"mac": "000000000009"}, REMOTE_ADDR=ELSEWHERE)) == []


def test_a_forged_header_opens_nothing(stranger_api: APIClient, settings: Settings) -> None:
    heard(SOME)
    forged = {"REMOTE_ADDR": ELSEWHERE, "HTTP_X_FORWARDED_FOR": HOUSE}
    assert macs(stranger_api.get(PATH, **forged)) == []
    settings.PROXY_COUNT = 1
    behind = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": f"{HOUSE}, {ELSEWHERE}"}
    assert macs(stranger_api.get(PATH, **behind)) == []
    assert macs(stranger_api.get(PATH, REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"{ELSEWHERE}, {HOUSE}")) == ["34987AE4D353"]


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.20", "100.64.0.9", "fe80::1"])
def test_a_private_address_matches_nobody(api: APIClient, address: str) -> None:
    heard(SOME._replace(address=address))
    assert macs(api.get(PATH, REMOTE_ADDR=address)) == []


def test_a_registered_device_never_shows(api: APIClient, stranger_api: APIClient, meter: Device) -> None:
    heard(UnprovenDevice(meter.hardware_id, "", 1.0, HOUSE))
    for client in (api, stranger_api):
        assert macs(client.get(PATH, {"mac": meter.hardware_id}, REMOTE_ADDR=HOUSE)) == []


def test_it_needs_a_login(anonymous_api: APIClient, db: None) -> None:
    assert anonymous_api.get(PATH).status_code == 401


@pytest.mark.parametrize("mac", ["x", "34987AE4D35", "34987AE4D353F", "A" * 65, "ñ" * 12])
def test_a_bad_mac_is_refused(api: APIClient, mac: str) -> None:
    answer = api.get(PATH, {"mac": mac})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "mac"]


def test_it_costs_two_queries(api: APIClient, django_assert_num_queries: Any) -> None:
    heard(SOME, *(UnprovenDevice(f"{number:012x}", "", None, HOUSE) for number in range(19)))
    with django_assert_num_queries(2):  # the caller, the registered among the found
        assert len(macs(api.get(PATH, REMOTE_ADDR=HOUSE))) == 20


@pytest.mark.usefixtures("redis_away")
def test_without_redis_nobody_is_near_and_devices_show_what_the_database_knows(api: APIClient, meter: Device) -> None:
    Device.objects.update(is_online=True, last_seen_at="2026-11-23T07:12:05Z")
    assert macs(api.get(PATH, {"mac": MAC})) == []
    (row,) = api.get("/api/v1/devices/").json()
    assert (row["dev_online"], row["dev_last_seen"]) == (True, "2026-11-23T07:12:05Z")


def test_a_device_shows_the_later_sign_of_life(api: APIClient, meter: Device) -> None:
    url = f"/api/v1/devices/{meter.pk}"
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        client.zadd(SEEN, {meter.pk: 1_795_000_000.5})
    assert api.get(url).json()["dev_last_seen"] == "2026-11-18T11:06:40.500000Z"
    Device.objects.update(last_seen_at="2027-01-01T00:00:00Z")
    assert api.get(url).json()["dev_last_seen"] == "2027-01-01T00:00:00Z"
