"""What a relay is, asked of a simulated Shelly over a real broker."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from asgiref.sync import sync_to_async

from accounts.models import Membership, Session, User
from common.mqtt.connection import Connection
from devices.control import rpc as rpc_module
from devices.control import status as status_module
from devices.control.api import status_endpoint
from devices.models import Device
from devices.services import device_retire, device_toggle
from devices.simulator.shelly.device import Device as Shelly
from devices.tests.simulator.online import Online


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that were published."""
    requests: list[str] = []
    publish = Connection.publish

    def noted(self: Any, topic: str, payload: bytes, **options: Any) -> bool:
        requests.append(orjson.loads(payload)["method"])
        return publish(self, topic, payload, **options)

    monkeypatch.setattr(Connection, "publish", noted)
    return requests


async def status(phone: httpx.AsyncClient, meter: Device, query: str = "") -> dict[str, Any]:
    answer = await phone.get(f"/control/{meter.pk}/status{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def is_off(phone: httpx.AsyncClient, meter: Device) -> bool:
    return (await status(phone, meter))["status"]["output"] is False


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so, with a rest for the event loop: an answer from memory never leaves it."""
    for _ in range(1_000):
        if await happens():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not happen")


async def test_the_status_is_the_device_s_own(phone: httpx.AsyncClient, shelly: Online, meter: Device) -> None:
    found = await status(phone, meter)
    assert {name: found[name] for name in ("success", "device_name", "error")} == {
        "success": True,
        "device_name": "Cocina",
        "error": None,
    }
    assert {"id", "output", "apower", "voltage", "current", "temperature", "aenergy"} <= found["status"].keys()
    assert found["status"]["output"] is True


async def test_one_question_serves_all_who_wait_and_the_next_five_seconds(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, asked: list[str]
) -> None:
    await asyncio.gather(*(status(phone, meter) for _ in range(10)))
    await status(phone, meter)
    assert asked == ["Switch.GetStatus"]


async def test_what_the_device_says_of_itself_meanwhile_is_answered(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, asked: list[str]
) -> None:
    assert (await status(phone, meter))["status"]["output"] is True

    def press(device: Shelly, now: float) -> None:
        device.switch(0, on=False, source="button", now=now)

    await sync_to_async(shelly.call)(press)
    await until(lambda: is_off(phone, meter))
    assert asked == ["Switch.GetStatus"]


async def test_what_the_device_said_by_itself_in_the_last_five_seconds_is_answered(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(status_module, "time", SimpleNamespace(monotonic=lambda: now))
    await status(phone, meter)
    now += 4
    await sync_to_async(shelly.call)(lambda device, at: device.switch(0, on=False, source="button", now=at))
    await until(lambda: is_off(phone, meter))
    now += 4
    assert (await status(phone, meter))["status"]["output"] is False
    assert asked == ["Switch.GetStatus"]

    async def is_asked_again() -> bool:
        nonlocal now
        now += 5  # unless the device says something more just then
        await status(phone, meter)
        return len(asked) == 2

    await until(is_asked_again)


async def test_after_a_command_the_status_is_what_was_commanded(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, asked: list[str]
) -> None:
    await status(phone, meter)
    shelly.device.faults.stale_output_s = 30.0
    await phone.post(f"/control/{meter.pk}/off")
    assert (await status(phone, meter))["status"]["output"] is False
    assert asked == ["Switch.GetStatus", "Switch.Set"]


async def test_an_old_answer_of_firmware_2_does_not_undo_a_command(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "FRESH_S", 0.0)
    shelly.device.faults.stale_output_s = 30.0
    await phone.post(f"/control/{meter.pk}/off")
    assert (await status(phone, meter))["status"]["output"] is False


async def test_a_silent_device_is_asked_once_in_five_seconds(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_module, "ANSWER_S", 0.3)
    shelly.device.faults.is_silent = True
    for _ in range(3):
        answer = await phone.get(f"/control/{meter.pk}/status")
        assert (answer.status_code, answer.json()) == (503, {"detail": "Dispositivo no responde (Timeout)"})
    assert asked == ["Switch.GetStatus"]


async def answered_from_memory(phone: httpx.AsyncClient, meter: Device) -> bool:
    return not await answered_by_django(phone, meter)


async def is_answered(phone: httpx.AsyncClient, meter: Device, code: int) -> bool:
    return (await phone.get(f"/control/{meter.pk}/status")).status_code == code


async def answered_by_django(phone: httpx.AsyncClient, meter: Device) -> bool:
    answer = await phone.get(f"/control/{meter.pk}/status")
    assert answer.status_code == 200
    return "x-frame-options" in answer.headers  # of Django's middleware


async def test_whoever_asked_a_moment_ago_is_answered_from_memory_for_two_seconds(
    phone: httpx.AsyncClient, stranger_phone: httpx.AsyncClient, shelly: Online, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(lambda: answered_from_memory(phone, meter))
    assert (await status(phone, meter))["status"]["output"] is True
    for query in ("?channel=x", "?channel=7"):
        assert (await phone.get(f"/control/{meter.pk}/status{query}")).status_code in {422, 503}
    assert (await stranger_phone.get(f"/control/{meter.pk}/status")).status_code == 404
    browser = {"Origin": "https://example.com"}
    assert "x-frame-options" in (await phone.get(f"/control/{meter.pk}/status", headers=browser)).headers
    monkeypatch.setattr(status_endpoint, "GRANT_S", 0.0)
    await until(lambda: answered_by_django(phone, meter))


def leave(owner: User, meter: Device) -> None:
    Membership.objects.get(user=owner).delete()


def log_out(owner: User, meter: Device) -> None:
    Session.objects.filter(user=owner).revoke()


def deactivate(owner: User, meter: Device) -> None:
    device_toggle(device=meter)


def retire(owner: User, meter: Device) -> None:
    device_retire(device=meter)


@pytest.mark.parametrize(("change", "code"), [(leave, 404), (log_out, 401), (deactivate, 409), (retire, 404)])
async def test_who_may_not_look_any_more_is_refused_as_soon_as_redis_tells(
    phone: httpx.AsyncClient,
    shelly: Online,
    meter: Device,
    owner: User,
    change: Callable[[User, Device], None],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status_endpoint, "GRANT_S", 600.0)
    monkeypatch.setattr(status_module, "FRESH_S", 600.0)
    await until(lambda: answered_from_memory(phone, meter))
    await sync_to_async(change)(owner, meter)
    await until(lambda: is_answered(phone, meter, code))


async def test_each_channel_has_a_status(phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]) -> None:
    await sync_to_async(go_online)(model="shellyplus2pm")
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="shellyplus2pm", model="shellyplus2pm")
    assert (await status(phone, meter, "?channel=1"))["status"]["id"] == 1
    answer = await phone.get(f"/control/{meter.pk}/status?channel=x")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "channel"])
