"""Switching a simulated Shelly through the API, over a real broker."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Home, Membership, User
from common.testing import await_true
from conftest import make_user
from devices.control import rpc as rpc_module
from devices.control.commands import LOST_S, Order, command_end, command_record
from devices.models import Command, Device
from devices.simulator.connections.running import Timing
from devices.simulator.shelly.errors import RpcError
from devices.tests.control.conftest import MAC, client_for
from devices.tests.simulator.online import Online

NOT_FOUND = {"detail": "Dispositivo no encontrado o no pertenece al usuario."}
SLOW = Timing(obeys=(0.5, 0.6), reconnects=(0.02, 0.2))
SILENT = {"detail": "Dispositivo no responde (Timeout)"}


def outputs(shelly: Online) -> list[bool]:
    return [relay.is_on for relay in shelly.device.relays]


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a silent device for a moment only."""
    monkeypatch.setattr(rpc_module, "ANSWER_S", 0.5)


async def test_the_app_switches_a_relay_off_on_and_over(phone: httpx.AsyncClient, shelly: Online, meter: Device) -> None:
    for path, body, was_on, new_state in (
        ("off", None, True, False),
        ("on", None, False, True),
        ("toggle", None, True, False),
        ("set", {"state": True}, False, True),
        ("set", {"state": False, "channel": 0}, True, False),
    ):
        answer = (
            await phone.post(f"/control/{meter.pk}/{path}", json=body)
            if body
            else await phone.post(f"/control/{meter.pk}/{path}")
        )
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found.pop("command_id"), int)
        assert found == {
            "success": True,
            "message": "Comando ejecutado correctamente",
            "device_name": "Cocina",
            "method": "Switch.Toggle" if path == "toggle" else "Switch.Set",
            "was_on": was_on,
            "new_state": new_state,
            "action": "encendido" if new_state else "apagado",
            "error": None,
            "kept_until": None,
        }
        assert outputs(shelly) == [new_state]


async def test_each_channel_is_switched_by_itself(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    shelly = await sync_to_async(go_online)(model="shellyplus2pm")
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="shellyplus2pm", model="shellyplus2pm")
    assert (await phone.post(f"/control/{meter.pk}/off?channel=1")).status_code == 200
    assert outputs(shelly) == [True, False]
    assert (await phone.post(f"/control/{meter.pk}/set", json={"state": False, "channel": 0})).status_code == 200
    assert outputs(shelly) == [False, False]
    answer = await phone.post(f"/control/{meter.pk}/on", json={"channel": 3})
    assert (answer.status_code, answer.json()) == (503, {"detail": "El dispositivo no tiene ese canal."})


@pytest.mark.parametrize(
    ("path", "body", "place", "sentence"),
    [
        ("set", {}, "state", "Debe ser verdadero o falso (true o false)."),
        ("set", {"state": "maybe"}, "state", "Debe ser verdadero o falso (true o false)."),
        ("on", {"channel": 99}, "channel", "El número de canal va de 0 a 31."),
        ("on", {"keep_for": 86_401}, "keep_for", "Los segundos que se conserva el comando van de 1 a 86400."),
        ("on", {"keepfor": 5}, "keepfor", "El campo «keepfor» no existe."),
    ],
)
async def test_what_is_wrong_with_a_command_is_named(
    phone: httpx.AsyncClient, meter: Device, path: str, body: dict[str, Any], place: str, sentence: str
) -> None:
    answer = await phone.post(f"/control/{meter.pk}/{path}", json=body)
    assert answer.status_code == 422
    [item] = answer.json()["detail"]
    assert (item["loc"], item["msg"]) == (["body", place], sentence)
    assert not await Command.objects.aexists()


@pytest.mark.usefixtures("_short")
async def test_a_device_that_does_not_answer_is_said_to_be_silent(
    phone: httpx.AsyncClient, shelly: Online, meter: Device
) -> None:
    shelly.device.faults.is_silent = True
    answer = await phone.post(f"/control/{meter.pk}/off")
    assert (answer.status_code, answer.json()) == (503, SILENT)
    command = await Command.objects.aget()
    assert (command.state, command.error, command.new_state) == (Command.State.FAILED, SILENT["detail"], None)
    assert command.answer_ms is not None
    assert command.answer_ms >= 500


async def test_without_a_broker_the_answer_comes_at_once(phone: httpx.AsyncClient, meter: Device, settings: Settings) -> None:
    host, settings.MQTT_BROKER_HOST = settings.MQTT_BROKER_HOST, ""
    answer = await phone.post(f"/control/{meter.pk}/off")
    settings.MQTT_BROKER_HOST = host
    assert (answer.status_code, answer.json()) == (503, {"detail": "MQTT Backend desconectado"})


async def test_the_device_s_own_error_is_a_sentence(phone: httpx.AsyncClient, shelly: Online, meter: Device) -> None:
    shelly.device.faults.errors["Switch.Set"] = RpcError(-109, "Overpower")
    answer = await phone.post(f"/control/{meter.pk}/on")
    assert (answer.status_code, answer.json()) == (
        503,
        {"detail": "El dispositivo no puede cumplir la orden en su estado actual."},
    )


async def test_a_meter_without_a_relay_can_t_be_switched(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    await sync_to_async(go_online)(model="shellypmminig3")
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="shellypmminig3", model="shellypmminig3")
    answer = await phone.post(f"/control/{meter.pk}/on")
    assert (answer.status_code, answer.json()) == (
        503,
        {"detail": "El dispositivo no tiene un interruptor que se pueda controlar."},
    )


CALLS = [
    ("POST", "toggle"),
    ("POST", "on"),
    ("POST", "off"),
    ("POST", "set"),
    ("GET", "status"),
    ("GET", "history"),
    ("GET", "waiting"),
]


@pytest.mark.parametrize(("method", "path"), [*CALLS, ("DELETE", "waiting/1")])
async def test_control_is_closed_to_strangers(
    phone: httpx.AsyncClient, stranger_phone: httpx.AsyncClient, meter: Device, method: str, path: str
) -> None:
    body = {"state": True} if path == "set" else None
    for who, device_id in ((stranger_phone, meter.pk), (phone, meter.pk + 1), (phone, "x")):
        answer = await who.request(method, f"/control/{device_id}/{path}", json=body)
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    answer = await client_for(None).request(method, f"/control/{meter.pk}/{path}", json=body)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_viewer_looks_and_does_not_switch(phone: httpx.AsyncClient, shelly: Online, meter: Device, home: Home) -> None:
    viewer = await sync_to_async(make_user)("invitado@example.com", home, Membership.Role.VIEWER)
    theirs = await sync_to_async(client_for)(viewer)
    for method, path in CALLS:
        answer = await theirs.request(method, f"/control/{meter.pk}/{path}", json={"state": True} if path == "set" else None)
        assert answer.status_code == (200 if method == "GET" else 403)
    assert outputs(shelly) == [True]


async def test_a_deactivated_device_is_a_conflict(phone: httpx.AsyncClient, shelly: Online, meter: Device) -> None:
    await Device.objects.filter(pk=meter.pk).aupdate(is_active=False)
    for method, path in (("POST", "on"), ("GET", "status")):
        answer = await phone.request(method, f"/control/{meter.pk}/{path}")
        assert (answer.status_code, answer.json()) == (
            409,
            {"detail": "El dispositivo está desactivado. Actívalo para controlarlo."},
        )


async def test_the_same_command_is_one_while_it_is_under_way(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    shelly = await sync_to_async(go_online)(timing=SLOW)
    answers = await asyncio.gather(*(phone.post(f"/control/{meter.pk}/toggle") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert outputs(shelly) == [False]
    assert await Command.objects.acount() == 1


async def test_a_command_that_another_process_sends_is_waited_for(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, owner: User
) -> None:
    command, _is_ours = await sync_to_async(command_record)(device=meter, order=Order(0, False), user=owner)
    waiting = asyncio.create_task(phone.post(f"/control/{meter.pk}/off"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await sync_to_async(command_end)(command_id=command.pk, was_on=True, answer_ms=90, error=None)
    answer = await waiting
    assert (answer.status_code, answer.json()["command_id"], answer.json()["was_on"]) == (200, command.pk, True)
    assert outputs(shelly) == [True]  # the other process is none


async def test_what_a_process_left_under_way_when_it_died_does_not_stop_the_next_command(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, owner: User
) -> None:
    left, _is_ours = await sync_to_async(command_record)(device=meter, order=Order(0, False), user=owner)
    await Command.objects.filter(pk=left.pk).aupdate(sent_at=timezone.now() - timedelta(seconds=LOST_S + 1))
    answer = await phone.post(f"/control/{meter.pk}/off")
    assert (answer.status_code, outputs(shelly)) == (200, [False])
    assert [one.state async for one in Command.objects.order_by("pk")] == ["failed", "done"]


async def test_a_caller_that_goes_away_does_not_stop_its_command(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    shelly = await sync_to_async(go_online)(timing=SLOW)
    asked = asyncio.create_task(phone.post(f"/control/{meter.pk}/off"))
    await sync_to_async(await_true)("it is under way", Command.objects.exists)
    asked.cancel()
    await sync_to_async(await_true)("it has ended", Command.objects.exclude(state="under_way").exists)
    assert (outputs(shelly), (await Command.objects.aget()).state) == ([False], "done")


async def test_a_silent_device_makes_nobody_else_wait(
    phone: httpx.AsyncClient, home: Home, go_online: Callable[..., Online]
) -> None:
    meters = [Device(home=home, hardware_id=f"{MAC[:8]}{number:04x}", name=str(number)) for number in range(20)]
    await Device.objects.abulk_create(meters)
    shellys = [await sync_to_async(go_online)(mac=one.hardware_id) for one in meters]
    shellys[7].device.faults.is_silent = True
    asked = {one.pk: asyncio.create_task(phone.post(f"/control/{one.pk}/off")) for one in meters}
    ended = [(await task).status_code for task in asyncio.as_completed(asked.values())]
    assert ended == [200] * 19 + [503]
    assert (await asked[meters[7].pk]).json() == SILENT


async def test_the_history_tells_who_did_what_and_when_page_by_page(
    phone: httpx.AsyncClient, shelly: Online, meter: Device, owner: User
) -> None:
    for path in ("off", "on", "toggle"):
        await phone.post(f"/control/{meter.pk}/{path}")
    first = (await phone.get(f"/control/{meter.pk}/history?limit=2")).json()
    assert [(one["method"], one["on"], one["status"]) for one in first["commands"]] == [
        ("Switch.Toggle", None, "done"),
        ("Switch.Set", True, "done"),
    ]
    assert first["commands"][0]["user_name"] == owner.name
    assert first["commands"][0]["was_on"] is True
    assert first["commands"][0]["new_state"] is False
    last = (await phone.get(f"/control/{meter.pk}/history?limit=2&before={first['next']}")).json()
    assert ([one["on"] for one in last["commands"]], last["next"]) == ([False], None)
    answer = await phone.get(f"/control/{meter.pk}/history?limit=0")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "limit"])
