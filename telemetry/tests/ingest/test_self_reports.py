"""What devices tell of themselves in what they send anyway, over MQTT and HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from redis.asyncio import Redis

from common.mqtt.connection import Message
from devices.models import Channel, Device
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
