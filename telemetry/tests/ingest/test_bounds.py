"""Who knows a MAC can say no more in its name than its model could."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from pytest_django.fixtures import Settings
from redis.asyncio import Redis

from accounts.models import Home
from common.testing import await_true
from devices.circuits import CircuitChange
from devices.models import Channel, Device
from devices.services import device_register, device_update
from ecowatt.asgi import application
from telemetry.ingest.message_limits import MinuteLimit
from telemetry.models import Reading
from telemetry.mqtt.batches import BatchProcessor
from telemetry.tests.mqtt_device import message

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/ingest/shelly"
MAC = "a8032412c3d4"


def status(components: dict[str, float]) -> dict[str, Any]:
    """Return a body with the power of each component."""
    fields = {name: {"act_power" if name.startswith("em1") else "apower": power} for name, power in components.items()}
    return {**fields, "sys": {"mac": MAC.upper(), "unixtime": int(datetime.now(UTC).timestamp())}}


@sync_to_async
def stored_channels() -> list[int]:
    return sorted(set(Reading.objects.values_list("channel", flat=True)))


@sync_to_async
def register(home: Home, prefix: str | None) -> Device:
    return device_register(home=home, hardware_id=MAC, name="Tablero", mqtt_prefix=prefix)


async def test_invented_channels_are_refused_at_first_sight(shelly: httpx.AsyncClient, meter: Device) -> None:
    answer = await shelly.post(
        PATH, json=status({f"switch:{number}": 3_000.0 for number in range(32) if number not in (5, 6, 7)})
    )
    assert answer.status_code == 422
    (item,) = answer.json()["detail"]
    assert (item["loc"], item["type"]) == (["body"], "value_error")
    assert await stored_channels() == [0, 1, 2, 3]
    for number in (4, 5, 6, 7, 31, 32):
        assert (await shelly.post(PATH, json=status({f"switch:{number}": 5.0}))).status_code == 422
    assert await stored_channels() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("prefix", "components", "stored"),
    [
        ("shellyplus2pm", {"switch:0": 5.0, "switch:1": 5.0, "switch:2": 5.0}, [0, 1]),
        ("shellypro1pm", {"switch:0": 5.0, "switch:1": 5.0}, [0]),
        ("shellypro4pm", {"switch:3": 5.0, "switch:4": 5.0}, [3]),
        ("shellyplusrgbwpm", {"rgb:0": 5.0, "cct:0": 5.0, "switch:8": 5.0}, [5, 6]),
        ("shellydimmerg3", {"light:0": 5.0, "cct:0": 5.0}, [0]),
        ("casa/tablero", {"switch:3": 5.0, "cct:1": 5.0, "switch:4": 5.0}, [3, 7]),
    ],
)
async def test_a_model_has_so_many_channels(
    shelly: httpx.AsyncClient, home: Home, prefix: str, components: dict[str, float], stored: list[int]
) -> None:
    await register(home, prefix)
    assert (await shelly.post(PATH, json=status(components))).status_code == 422
    assert await stored_channels() == stored


async def test_a_channel_that_the_owner_names_counts_at_once(shelly: httpx.AsyncClient, home: Home) -> None:
    device = await register(home, "shellypro1pm")
    assert (await shelly.post(PATH, json=status({"switch:9": 5.0}))).status_code == 422
    await sync_to_async(device_update)(device=device, circuits={9: CircuitChange("Bomba")})
    await _answered(shelly, {"switch:9": 5.0}, 200)
    await Channel.objects.acreate(device=device, number=10, name="Riego")  # as the admin does
    await _answered(shelly, {"switch:10": 5.0}, 200)
    assert await stored_channels() == [9, 10]


async def _answered(shelly: httpx.AsyncClient, components: dict[str, float], code: int) -> None:
    """Wait until a post gets the answer: a change takes a moment to be known."""
    codes = [(await shelly.post(PATH, json=status(components))).status_code]
    while codes[-1] != code and len(codes) < 100:
        await sync_to_async(await_true)("a moment passes", lambda: True)
        codes.append((await shelly.post(PATH, json=status(components))).status_code)
    assert codes[-1] == code


@pytest.mark.parametrize(
    ("prefix", "component", "power", "code"),
    [
        (None, "switch:0", 7_800.0, 200),
        (None, "switch:0", 7_900.0, 422),
        (None, "em1:0", 29_000.0, 200),  # it may be any model
        ("shellypro1pm", "switch:0", 5_000.0, 200),
        ("shellypro1pm", "switch:0", 5_100.0, 422),
        ("shellypro1pm", "switch:0", -5_100.0, 422),
        ("shellyproem50", "em1:0", 15_000.0, 200),
        ("shellyproem50", "em1:0", 16_000.0, 422),
        ("shellypro3em", "em1:0", 29_000.0, 200),
    ],
)
async def test_a_model_carries_so_much(
    shelly: httpx.AsyncClient, home: Home, prefix: str | None, component: str, power: float, code: int
) -> None:
    await register(home, prefix)
    assert (await shelly.post(PATH, json=status({component: power}))).status_code == code
    assert (await stored_channels() == [0]) is (code == 200)


async def test_over_mqtt_the_others_are_stored_and_the_rest_is_counted(shelly: httpx.AsyncClient, home: Home) -> None:
    await register(home, "shellypro1pm")
    store = Redis.from_url("redis://127.0.0.1:1/0")
    processor = BatchProcessor(store)
    params = {"ts": datetime.now(UTC).timestamp(), "switch:0": {"apower": 5.0}, "switch:8": {"apower": 5.0}}
    name = f"shellypro1pm-{MAC}"
    await processor.process([message(f"{name}/events/rpc", {"src": name, "method": "NotifyFullStatus", "params": params})])
    assert (await stored_channels(), processor.drops.total) == ([0], 1)
    await store.aclose()


async def test_a_channel_has_one_reading_a_second_by_a_devices_clock(shelly: httpx.AsyncClient, meter: Device) -> None:
    second = int(datetime.now(UTC).timestamp()) - 30
    for fraction in range(20):
        body = status({"switch:0": 5.0 + fraction})
        body["sys"]["unixtime"] = second + fraction / 100
        assert (await shelly.post(PATH, json=body)).status_code == 200
    assert await sync_to_async(lambda: [one.timestamp() for one in Reading.objects.values_list("time", flat=True)])() == [second]


async def test_two_facts_of_one_second_are_both_kept_over_mqtt(shelly: httpx.AsyncClient, meter: Device) -> None:
    store = Redis.from_url("redis://127.0.0.1:1/0")
    processor, second, name = BatchProcessor(store), int(datetime.now(UTC).timestamp()) - 30, f"shellyplus1pm-{MAC}"
    for fraction, power in ((0.11, 5.0), (0.52, 60.0), (0.52, 60.0), (0.93, 70.0)):
        params = {"ts": second + fraction, "switch:0": {"apower": power}}
        await processor.process([message(f"{name}/events/rpc", {"src": name, "method": "NotifyStatus", "params": params})])
    found = await sync_to_async(lambda: list(Reading.objects.order_by("time").values_list("time", "power_w")))()
    assert [(at.timestamp(), power) for at, power in found] == [(second, 5.0), (second + 1, 60.0)]
    await store.aclose()


async def test_a_devices_messages_are_limited_and_nobody_elses_with_them(
    shelly: httpx.AsyncClient, meter: Device, home: Home, settings: Settings
) -> None:
    settings.TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE = 3
    limits = MinuteLimit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telemetry.ingest.http._of_device", limits)
        codes = [(answer := await shelly.post(PATH, json=status({"switch:0": 5.0}))).status_code for _ in range(5)]
        assert codes.count(429) in (1, 2)  # a new minute may have begun
        if answer.status_code == 429:
            assert answer.json() == {"detail": "Demasiadas peticiones. Inténtalo de nuevo más tarde."}
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        await Device.objects.acreate(home=home, hardware_id="b8032412c3d4", name="Sala")
        other = status({"switch:0": 5.0}) | {"sys": {"mac": "b8032412c3d4"}}
        assert (await shelly.post(PATH, json=other)).status_code == 200


@pytest.mark.parametrize(("peer", "limited"), [("8.8.8.8", True), ("192.168.1.7", False), ("127.0.0.1", False)])
async def test_a_public_addresss_messages_are_limited(meter: Device, settings: Settings, peer: str, limited: bool) -> None:
    settings.TELEMETRY_MESSAGES_PER_ADDRESS_PER_MINUTE = 1
    transport = httpx.ASGITransport(application, client=(peer, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        codes = {(await client.post(PATH, content=b"{}")).status_code for _ in range(3)}
    assert codes == ({422, 429} if limited else {422})


async def test_over_mqtt_messages_are_limited_by_the_minute_they_speak_of(
    shelly: httpx.AsyncClient, meter: Device, settings: Settings
) -> None:
    settings.TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE = 3
    store = Redis.from_url("redis://127.0.0.1:1/0")
    processor, name = BatchProcessor(store), f"shellyplus1pm-{MAC}"
    start = int(datetime.now(UTC).timestamp()) // 60 * 60 - 3600
    for seconds in [0, 1, 2, 3, 4, *range(60, 1200, 60)]:  # a flood, and an hour that the broker kept
        params = {"ts": start + seconds, "switch:0": {"apower": 5.0 + seconds}}
        await processor.process([message(f"{name}/events/rpc", {"src": name, "method": "NotifyStatus", "params": params})])
    assert await sync_to_async(Reading.objects.count)() == 3 + 19
    assert processor.drops.total == 2
    await store.aclose()
