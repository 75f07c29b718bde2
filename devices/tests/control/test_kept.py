"""Commands that wait for a device which is away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.models import Home, User
from common.testing import await_true
from devices.control import rpc as rpc_module
from devices.control.commands import (
    LOST_S,
    Order,
    command_cancel,
    command_end,
    command_keep,
    command_record,
    commands_claim,
    commands_waiting,
)
from devices.control.exceptions import BrokerAway, CommandNotFound, DeviceRefused, DeviceSilent, NotSwitched
from devices.control.kept import kept_send
from devices.models import Command, Device
from devices.tests.simulator.online import Online


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a device that is away for a moment only."""
    monkeypatch.setattr(rpc_module, "ANSWER_S", 3.0)


async def kept(phone: httpx.AsyncClient, meter: Device, path: str = "off", **body: Any) -> dict[str, Any]:
    answer = await phone.post(f"/control/{meter.pk}/{path}", json={"keep_for": 3600} | body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def states() -> list[str]:
    return [one.state async for one in Command.objects.order_by("pk")]


async def arrived(meter: Device) -> None:
    """Have the device counted as online, and seen after the last try."""
    await Device.objects.filter(pk=meter.pk).aupdate(is_online=True, last_seen_at=timezone.now())


async def test_a_command_waits_for_a_device_that_is_away_and_is_done_when_it_is_back(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    found = await kept(phone, meter)
    assert (found["success"], found["new_state"], found["error"]) == (False, None, "Dispositivo no responde (Timeout)")
    assert found["message"] == "El dispositivo no está en línea. El comando se enviará cuando vuelva."
    [waiting] = (await phone.get(f"/control/{meter.pk}/waiting")).json()
    assert (waiting["command_id"], waiting["expires_at"]) == (found["command_id"], found["kept_until"])
    assert await kept_send() == 0  # it is still away
    shelly = await sync_to_async(go_online)()
    await arrived(meter)
    assert await kept_send() == 1
    await sync_to_async(await_true)("it is done", lambda: Command.objects.get().state == "done")
    assert [relay.is_on for relay in shelly.device.relays] == [False]
    assert (await phone.get(f"/control/{meter.pk}/waiting")).json() == []


async def test_one_that_fails_again_rests_and_waits_on(phone: httpx.AsyncClient, meter: Device) -> None:
    await kept(phone, meter)
    await arrived(meter)
    assert await kept_send() == 1
    await sync_to_async(await_true)("it waits again", lambda: Command.objects.get().state == "waiting")
    assert await kept_send() == 0
    await Command.objects.aupdate(sent_at=timezone.now() - timedelta(seconds=31))
    assert await kept_send() == 1
    await sync_to_async(await_true)("it waits again", lambda: Command.objects.get().state == "waiting")


async def test_what_was_under_way_when_its_process_died_waits_again_unless_it_may_have_been_done(
    phone: httpx.AsyncClient, meter: Device
) -> None:
    await kept(phone, meter)
    await kept(phone, meter, "toggle")
    await Command.objects.aupdate(state="under_way", sent_at=timezone.now() - timedelta(seconds=LOST_S + 1))
    assert await kept_send() == 0
    assert await states() == ["waiting", "failed"]
    assert len((await phone.get(f"/control/{meter.pk}/waiting")).json()) == 1


@pytest.fixture
def record(owner: User, meter: Device) -> Callable[..., Command]:
    """Record a command that is kept for an hour, as if it were being sent."""

    def record_one(on: bool | None) -> Command:
        command, is_ours = command_record(device=meter, order=Order(0, on), user=owner, keep_for_s=3600)
        assert is_ours
        return command

    return record_one


def ended(command: Command, error: NotSwitched | None = None) -> str:
    return command_end(command_id=command.pk, was_on=None, answer_ms=5000, error=error).state


def test_a_toggle_that_a_device_was_there_for_is_not_sent_again(record: Callable[..., Command], meter: Device) -> None:
    assert ended(record(None), DeviceSilent()) == "waiting"
    Device.objects.filter(pk=meter.pk).update(is_online=True)
    assert ended(record(None), DeviceSilent()) == "failed"  # the device may have done it
    assert ended(record(None), BrokerAway()) == "waiting"
    assert ended(record(False), DeviceSilent()) == "waiting"


def test_what_was_commanded_last_counts(record: Callable[..., Command]) -> None:
    off = record(False)
    assert ended(record(True)) == "done"
    assert ended(off, DeviceSilent()) == "cancelled"
    assert ended(record(False), DeviceSilent()) == "waiting"
    assert ended(record(True), DeviceSilent()) == "waiting"
    assert [one.on for one in commands_waiting(off.device)] == [True]


def test_an_answer_that_comes_after_its_command_was_given_up_changes_nothing(record: Callable[..., Command]) -> None:
    lost, meter = record(None), Device.objects.get()
    Command.objects.update(sent_at=timezone.now() - timedelta(seconds=LOST_S + 1))
    again = record(None)
    assert (again.pk != lost.pk, ended(lost), ended(lost, DeviceSilent())) == (True, "failed", "failed")
    meter.commands.all().delete()
    with pytest.raises(CommandNotFound):
        ended(again)


def test_a_busy_device_is_told_again_and_one_that_refuses_is_not(record: Callable[..., Command]) -> None:
    assert ended(record(False), DeviceRefused(-114)) == "waiting"
    assert ended(record(False), DeviceRefused(-103)) == "failed"


def test_a_command_can_be_cancelled_while_it_is_tried(record: Callable[..., Command], meter: Device) -> None:
    tried = record(False)
    command_cancel(device=meter, command_id=tried.pk)
    assert ended(tried, DeviceSilent()) == "failed"
    with pytest.raises(CommandNotFound):
        command_cancel(device=meter, command_id=tried.pk)


def test_commands_that_fail_again_and_again_hold_up_no_other(record: Callable[..., Command], home: Home, meter: Device) -> None:
    assert ended(record(False), DeviceSilent()) == "waiting"
    other = Device.objects.create(home=home, hardware_id="02aabbccddee", name="Sala", is_online=True)
    command_keep(device=other, order=Order(0, True), cause=Command.Cause.SCHEDULE, keep_for_s=600)
    Command.objects.filter(device=meter).update(sent_at=timezone.now() - timedelta(minutes=2))
    Device.objects.filter(pk=meter.pk).update(is_online=True)
    assert [[one.device_id for one in commands_claim(limit=1)] for _ in range(3)] == [[other.pk], [meter.pk], []]


async def test_a_command_that_waited_too_long_is_not_sent(phone: httpx.AsyncClient, meter: Device) -> None:
    await kept(phone, meter)
    await Command.objects.aupdate(expires_at=timezone.now())
    await arrived(meter)
    assert await kept_send() == 0
    assert await states() == ["expired"]


async def test_a_waiting_command_can_be_cancelled_once(phone: httpx.AsyncClient, meter: Device) -> None:
    found = await kept(phone, meter)
    path = f"/control/{meter.pk}/waiting/{found['command_id']}"
    assert (await phone.delete(path)).status_code == 204
    answer = await phone.delete(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Ese comando no existe o ya no espera."})
    await arrived(meter)
    assert await kept_send() == 0


async def test_a_later_command_that_is_done_takes_the_place_of_one_that_waits(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    await kept(phone, meter, "off")
    shelly = await sync_to_async(go_online)()
    assert (await phone.post(f"/control/{meter.pk}/on")).status_code == 200
    assert await states() == ["cancelled", "done"]
    assert [relay.is_on for relay in shelly.device.relays] == [True]


async def test_the_same_command_again_is_sent_now_and_is_the_one_that_waited(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    found = await kept(phone, meter)
    await sync_to_async(go_online)()
    answer = await phone.post(f"/control/{meter.pk}/off")
    assert (answer.status_code, answer.json()["command_id"]) == (200, found["command_id"])
    assert await states() == ["done"]


async def test_two_processes_that_look_at_once_take_each_command_once(phone: httpx.AsyncClient, meter: Device) -> None:
    await kept(phone, meter)
    await arrived(meter)
    assert [len(await sync_to_async(commands_claim)()) for _ in range(2)] == [1, 0]


async def test_an_error_of_the_device_s_own_is_no_reason_to_wait(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    await sync_to_async(go_online)()
    answer = await phone.post(f"/control/{meter.pk}/off", json={"keep_for": 60, "channel": 5})
    assert answer.status_code == 503
    assert await states() == ["failed"]


async def test_what_no_person_commanded_waits_from_the_start_and_is_sent_once_the_device_is_there(
    phone: httpx.AsyncClient, meter: Device, go_online: Callable[..., Online]
) -> None:
    order = {"device": meter, "order": Order(0, on=False), "cause": Command.Cause.LIMIT, "keep_for_s": 600}
    command = await sync_to_async(command_keep)(**order)
    assert await sync_to_async(command_keep)(**order) == command
    assert await kept_send() == 0
    shelly = await sync_to_async(go_online)()
    await arrived(meter)
    assert await kept_send() == 1
    await sync_to_async(await_true)("it is done", lambda: Command.objects.get().state == "done")
    assert [relay.is_on for relay in shelly.device.relays] == [False]
    [told] = (await phone.get(f"/control/{meter.pk}/history")).json()["commands"]
    assert (told["command_id"], told["cause"], told["user_name"], told["status"]) == (command.pk, "limit", None, "done")
