"""What devices tell of themselves in what they send anyway, over MQTT and HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from redis.asyncio import Redis

from common.mqtt.connection import Message
from devices.models import Channel, Device, DeviceEvent, EventKind
from devices.notices import Notice, Notices
from devices.presence.reporter import PresenceReporter
from telemetry.mqtt.batches import BatchProcessor
from telemetry.tests.conftest import close_ingest
from telemetry.tests.mqtt_device import message
from telemetry.tests.posts import PATH

pytestmark = pytest.mark.django_db(transaction=True)
MAC = "a8032412c3d4"


@pytest.fixture
async def processor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BatchProcessor]:
    monkeypatch.setattr(PresenceReporter, "pause_s", 0.0)
    client = Redis.from_url(django_settings.REDIS_URL)
    yield BatchProcessor(client)
    await client.aclose()
    await close_ingest()


def frame(model: str, method: str = "NotifyFullStatus", **components: Any) -> Message:
    source = f"{model}-{MAC}"
    params = {"ts": datetime.now(UTC).timestamp(), **{name.replace("_", ":"): fields for name, fields in components.items()}}
    return message(f"{source}/events/rpc", {"src": source, "dst": f"{source}/events", "method": method, "params": params})


def measured(power: float = 100.0, **more: Any) -> dict[str, Any]:
    return {"apower": power, "voltage": 127.0, "current": 0.8, **more}


async def eventually(condition: Callable[[], Any]) -> None:
    for _try in range(400):
        if await sync_to_async(condition)():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came to pass")


def circuits() -> list[int]:
    return list(Channel.objects.order_by("number").values_list("number", flat=True))


async def test_a_device_that_speaks_is_what_it_says_whatever_it_was_registered_as(
    processor: BatchProcessor, meter: Device
) -> None:
    four = {f"switch_{number}": measured(id=number) for number in range(4)}
    await processor.process([frame("shellypro4pm", **four)])
    await eventually(lambda: Device.objects.filter(model="shellypro4pm", mqtt_prefix="shellypro4pm").exists())
    assert await sync_to_async(circuits)() == [0, 1, 2, 3]


async def test_a_changed_profile_is_heard(processor: BatchProcessor, meter: Device) -> None:
    await processor.process([frame("shellyplus2pm", switch_0=measured(), switch_1=measured())])
    await eventually(lambda: circuits() == [0, 1])
    await processor.process(
        [frame("shellyplus2pm", "NotifyStatus", switch_0=measured(120.0))]
    )  # a change says nothing of the rest
    await processor.process([frame("shellyplus2pm", cover_0=measured())])
    await eventually(lambda: circuits() == [0])


async def test_a_script_tells_the_channels_that_it_posts(
    processor: BatchProcessor, shelly: httpx.AsyncClient, meter: Device
) -> None:
    body = {"switch:0": measured(), "switch:2": measured(), "sys": {"mac": MAC}}
    assert (await shelly.post(PATH, json=body)).status_code == 200
    await eventually(lambda: circuits() == [0, 2])
    await shelly.post(PATH, json=body | {"switch:1": measured()})
    await eventually(lambda: circuits() == [0, 1, 2])


Wrong = list[tuple[int | None, str, bool]]


def wrong() -> Wrong:
    """Return channel, kind, and whether it is over, of all that was ever wrong."""
    events = DeviceEvent.objects.exclude(kind=EventKind.MODEL_LEARNT).order_by("pk")
    return [(one.channel, one.kind, one.ended_at is not None) for one in events]


PLUS = "shellyplus1pm"


async def test_an_error_is_told_when_it_appears_and_when_it_goes_and_not_at_each_message(
    processor: BatchProcessor, meter: Device
) -> None:
    await processor.process([frame(PLUS, switch_0=measured())])
    hot = measured(4120.0, errors=["overpower", "overtemp"], temperature={"tC": 91.5, "tF": 196.7})
    await processor.process([frame(PLUS, "NotifyStatus", switch_0=hot)])
    both: Wrong = [(0, "overpower", False), (0, "overtemperature", False)]
    await eventually(lambda: wrong() == both)
    event = await DeviceEvent.objects.aget(kind="overpower")
    assert event.details == {"power_w": 4120.0, "voltage_v": 127.0, "current_a": 0.8, "temperature_c": 91.5}
    await processor.process([frame(PLUS, switch_0=hot), frame(PLUS, "NotifyStatus", switch_0={"apower": 80.0})])
    await processor.process([frame(PLUS, "NotifyStatus", switch_0={"errors": ["overtemp"]})])
    await eventually(lambda: wrong() == [(0, "overpower", True), (0, "overtemperature", False)])
    await processor.process([frame(PLUS, switch_0=measured())])  # a whole status without errors
    await eventually(lambda: wrong() == [(0, "overpower", True), (0, "overtemperature", True)])


async def test_what_one_process_heard_begin_another_hears_end(processor: BatchProcessor, meter: Device) -> None:
    other = BatchProcessor(processor._states._store)
    await processor.process([frame(PLUS, switch_0=measured(errors=["overvoltage"]))])
    await eventually(lambda: wrong() == [(0, "overvoltage", False)])
    await close_ingest()  # as another process begins, which remembers nothing
    await other.process([frame(PLUS, "NotifyStatus", switch_0={"errors": None})])
    await eventually(lambda: wrong() == [(0, "overvoltage", True)])


async def test_a_status_topic_and_the_three_phases_tell_too(processor: BatchProcessor, meter: Device) -> None:
    topic = f"{PLUS}-{MAC}/status/switch:0"
    await processor.process([message(topic, measured(id=0, errors=["undervoltage", "unheard_of"]))])
    await eventually(lambda: wrong() == [(0, "undervoltage", False)])
    await processor.process([message(topic, measured(id=0))])
    await eventually(lambda: wrong() == [(0, "undervoltage", True)])
    phases = {"a_act_power": 10.0, "a_voltage": 127.0, "a_current": 0.1, "errors": ["power_meter_failure"]}
    await processor.process([frame("shellypro3em", em_0=phases)])
    await eventually(lambda: wrong()[1:] == [(None, "meter_failed", False)])


async def test_a_device_that_waits_for_a_restart_says_so(processor: BatchProcessor, meter: Device) -> None:
    waits = frame(PLUS, switch_0=measured(), sys={"restart_required": True})
    await processor.process([waits, waits])
    await eventually(lambda: wrong() == [(None, "restart_required", False)])
    await processor.process([frame(PLUS, switch_0=measured(), sys={"restart_required": False})])
    await eventually(lambda: wrong() == [(None, "restart_required", True)])


async def test_a_posted_status_tells_what_is_wrong_and_a_script_ends_nothing(
    processor: BatchProcessor, shelly: httpx.AsyncClient, meter: Device
) -> None:
    now = int(datetime.now(UTC).timestamp())

    async def post(after: int, *, sys: dict[str, Any], **fields: Any) -> None:
        body = {"switch:0": measured(**fields), "sys": {"mac": MAC, "unixtime": now - 60 + after, **sys}}
        assert (await shelly.post(PATH, json=body)).status_code == 200

    await post(0, sys={"uptime": 100}, errors=["overcurrent"])
    await eventually(lambda: wrong() == [(0, "overcurrent", False)])
    assert (await DeviceEvent.objects.aget()).at == datetime.fromtimestamp(now - 60, UTC)
    await post(10, sys={})
    await post(20, sys={"uptime": 120})
    await eventually(lambda: wrong() == [(0, "overcurrent", True)])
    assert (await DeviceEvent.objects.aget()).ended_at == datetime.fromtimestamp(now - 40, UTC)
    await post(30, sys={}, errors=["overcurrent"])
    await eventually(lambda: wrong() == [(0, "overcurrent", True), (0, "overcurrent", False)])
    await post(40, sys={}, errors=[])
    await eventually(lambda: wrong() == [(0, "overcurrent", True), (0, "overcurrent", True)])


async def test_healthy_devices_cost_no_query(processor: BatchProcessor, meter: Device) -> None:
    notices, at = Notices(), datetime.now(UTC)
    assert not notices.heard(meter.pk, Notice(0), at)
    assert notices.heard(meter.pk, Notice(0, frozenset({EventKind.OVERPOWER})), at)
    assert not notices.heard(meter.pk, Notice(0, frozenset({EventKind.OVERPOWER})), at)
    await notices.write()
    assert notices.heard(meter.pk, Notice(0), at + timedelta(seconds=1))
    assert not notices.heard(meter.pk, Notice(0), at + timedelta(seconds=2))
    await notices.write()
    assert await sync_to_async(wrong)() == [(0, "overpower", True)]
