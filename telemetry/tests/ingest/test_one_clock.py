"""One clock for a meter: what a device says twice, in two ways or late, is the counter's movement and nothing more."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from redis.asyncio import Redis

from common.mqtt.connection import Message
from devices.models import Device
from ecowatt.asgi import application
from telemetry.models import FiveMinutes, Reading
from telemetry.mqtt.batches import BatchProcessor
from telemetry.rollup import run as rollups
from telemetry.tests.conftest import close_ingest

pytestmark = pytest.mark.django_db(transaction=True)
MAC = "a8032412c3d4"
ID = f"shellyplus1pm-{MAC}"
PATH = "/api/v1/ingest/shelly"
NOW = datetime.now(UTC).replace(microsecond=0)
POWER_W = 3_000.0
BEGAN_WH = 20.0


@pytest.fixture
async def store() -> AsyncIterator[Redis]:
    client = Redis.from_url(settings.REDIS_URL)
    yield client
    await client.aclose()
    await close_ingest()


@pytest.fixture
async def shelly() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        yield client


class Meter:
    """A device under a steady load: what it says at a time, by a clock that may be wrong."""

    def __init__(self, began: datetime, behind_s: float = 0.0) -> None:
        self._began = began
        self._behind = timedelta(seconds=behind_s)

    def total_wh(self, at: datetime) -> float:
        return round(BEGAN_WH + POWER_W * (at - self._began).total_seconds() / 3600, 3)

    def switch(self, at: datetime) -> dict[str, Any]:
        minute = (at - self._behind).replace(second=0)
        energy = {"total": self.total_wh(at), "by_minute": [50_000.0] * 3, "minute_ts": int(minute.timestamp())}
        return {"id": 0, "apower": POWER_W, "voltage": 127.0, "current": 23.6, "aenergy": energy}

    def frame(self, at: datetime, heard: datetime | None = None) -> Message:
        params = {"ts": (at - self._behind).timestamp() + 0.15, "switch:0": self.switch(at)}
        body = {"src": ID, "dst": f"{ID}/events", "method": "NotifyStatus", "params": params}
        return Message(f"{ID}/events/rpc", orjson.dumps(body), (heard or at).timestamp() + 0.2)

    def status(self, at: datetime, heard: datetime | None = None) -> Message:
        return Message(f"{ID}/status/switch:0", orjson.dumps(self.switch(at)), (heard or at).timestamp() + 0.18)

    def answer(self, at: datetime) -> Message:
        result = {"switch:0": self.switch(at), "sys": {"unixtime": int((at - self._behind).timestamp())}}
        topic = f"ecowatt/backend/rpc_response/ingest-1/{ID}/rpc"
        return Message(topic, orjson.dumps({"id": 1, "src": ID, "dst": "x", "result": result}), at.timestamp() + 0.1)


def times(start: datetime, end: datetime, every_s: float) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += timedelta(seconds=every_s)


@sync_to_async
def used_wh() -> float:
    rollups.rollup()
    return round(sum(one.measured_wh + one.recovered_wh for one in FiveMinutes.objects.all()), 1)


@sync_to_async
def by_bucket() -> list[float]:
    rollups.rollup()
    return [round(one.measured_wh + one.recovered_wh) for one in FiveMinutes.objects.order_by("start")]


@sync_to_async
def reading_times() -> list[datetime]:
    return list(Reading.objects.order_by("time").values_list("time", flat=True))


@pytest.mark.parametrize("behind_s", [30.0, 0.0, -30.0])
@pytest.mark.parametrize("first", ["status", "frame"])
async def test_a_clock_that_is_wrong_invents_nothing_on_two_topics(
    store: Redis, meter: Device, behind_s: float, first: str
) -> None:
    began = NOW - timedelta(minutes=10)
    device, processes = (
        Meter(began, behind_s),
        itertools.cycle([BatchProcessor(store), BatchProcessor(store), BatchProcessor(store)]),
    )
    for at in times(began, began + timedelta(seconds=198), 6):
        pair = [device.status(at), device.frame(at + timedelta(seconds=1))]  # the counter has moved on meanwhile
        for message in pair if first == "status" else reversed(pair):
            await next(processes).process([message])
    assert await used_wh() == pytest.approx(165.0, abs=1.0)


async def test_a_backlog_lands_where_it_belongs_on_two_topics(store: Redis, meter: Device) -> None:
    began = (NOW - timedelta(hours=3)).replace(minute=0, second=0)
    device = Meter(began)
    await BatchProcessor(store).process([device.frame(began)])
    away = times(began + timedelta(minutes=1), began + timedelta(hours=2), 60)
    backlog = [message for at in away for message in (device.status(at, NOW), device.frame(at, NOW))]
    again = BatchProcessor(store)  # a process that was started anew
    for number in range(0, len(backlog), 7):  # a batch may end between the two
        await again.process(backlog[number : number + 7])
    assert await by_bucket() == [*[250] * 24, 0]


async def test_a_backlog_of_status_topics_alone_goes_by_the_counters_minutes(store: Redis, meter: Device) -> None:
    began = (NOW - timedelta(hours=2)).replace(minute=0, second=0)
    device, processor = Meter(began), BatchProcessor(store)
    await processor.process([device.status(at, NOW) for at in times(began, began + timedelta(hours=1), 60)])
    assert await by_bucket() == [*[250] * 12, 0]


async def test_status_topics_alone_go_by_our_clock_and_answers_with_them(store: Redis, meter: Device) -> None:
    began = NOW - timedelta(minutes=5)
    device, processor = Meter(began, 30.0), BatchProcessor(store)
    for at in times(began, began + timedelta(seconds=198), 6):
        await processor.process([device.status(at)])
        if (at - began).seconds % 4 == 0:
            await processor.process([device.answer(at + timedelta(seconds=3))])
    assert (await reading_times())[0] >= began
    assert await used_wh() == pytest.approx(165.0, abs=0.1)


async def test_frames_that_begin_after_status_topics_take_over_without_a_step_back(store: Redis, meter: Device) -> None:
    began = NOW - timedelta(minutes=10)
    device, processor = Meter(began, 30.0), BatchProcessor(store)
    for at in times(began, began + timedelta(seconds=60), 6):
        await processor.process([device.status(at)])
    for at in times(began + timedelta(seconds=66), began + timedelta(seconds=198), 6):
        await processor.process([device.status(at)])
        await processor.process([device.frame(at)])
    assert await used_wh() == pytest.approx(165.0, abs=0.1)


async def test_status_topics_count_again_some_time_after_the_frames_were_switched_off(store: Redis, meter: Device) -> None:
    began = NOW - timedelta(minutes=10)
    device, processor = Meter(began, 30.0), BatchProcessor(store)
    for at in times(began, began + timedelta(seconds=60), 6):
        await processor.process([device.frame(at)])
    for at in times(began + timedelta(seconds=66), began + timedelta(seconds=300), 6):
        await processor.process([device.status(at)])
    assert len(await reading_times()) > 30
    assert await used_wh() == pytest.approx(250.0, abs=0.1)


@pytest.mark.parametrize("counts", [False, True])
async def test_what_a_script_posts_beside_frames_is_no_second_reading(
    store: Redis, meter: Device, shelly: httpx.AsyncClient, counts: bool
) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=198)
    device, processor = Meter(began, 30.0), BatchProcessor(store)
    await processor.process([device.frame(began, datetime.now(UTC))])
    for at in times(began, began + timedelta(seconds=198), 6):
        await processor.process([device.frame(at, datetime.now(UTC))])
        switch = device.switch(at)
        if not counts:
            del switch["aenergy"]
        answer = await shelly.post(PATH, json={"switch:0": switch, "sys": {"mac": MAC.upper()}})
        assert (answer.status_code, answer.json()) == (200, {"status": "received"})
        await asyncio.sleep(0.01)  # posts go by our clock
    assert await used_wh() == pytest.approx(165.0, abs=0.1)


async def test_what_is_posted_with_the_devices_own_clock_counts_beside_frames(
    store: Redis, meter: Device, shelly: httpx.AsyncClient
) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=198)
    device, processor = Meter(began, 30.0), BatchProcessor(store)
    await processor.process([device.frame(began, datetime.now(UTC))])
    for at in times(began, began + timedelta(seconds=198), 6):
        system = {"mac": MAC.upper(), "unixtime": int((at - timedelta(seconds=30)).timestamp())}
        await shelly.post(PATH, json={"switch:0": device.switch(at), "sys": system})
    assert len(await reading_times()) > 30
    assert await used_wh() == pytest.approx(165.0, abs=0.1)


async def test_a_script_counts_without_its_counter_while_frames_are_only_late(
    store: Redis, meter: Device, shelly: httpx.AsyncClient
) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
    device, processor = Meter(began, 30.0), BatchProcessor(store)
    await processor.process([device.frame(began)])
    now = datetime.now(UTC).replace(microsecond=0)
    await shelly.post(PATH, json={"switch:0": device.switch(now), "sys": {"mac": MAC.upper()}})
    await processor.process([device.frame(at, now) for at in times(began, began + timedelta(minutes=21), 60)])
    stored = await sync_to_async(lambda: list(Reading.objects.order_by("time").values_list("energy_wh", flat=True)))()
    assert stored.count(None) == 1
    assert await used_wh() == pytest.approx(1050.0, abs=0.1)
