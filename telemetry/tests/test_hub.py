"""The hub between Redis and the sockets, on a real Redis that cuts it off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import redis.asyncio
from django.conf import settings
from pytest_django.fixtures import Settings

from telemetry.hub import CLIENT_BACKLOG, Frames, LiveHub
from telemetry.live import CHANNEL, WATCHED, LivePublisher, frame
from telemetry.samples import Sample


@pytest.fixture
async def server() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        yield client


@pytest.fixture
async def hub() -> AsyncIterator[LiveHub]:
    one = LiveHub()
    yield one
    await one.close()


async def first_frame(server: redis.asyncio.Redis, device_id: int, frames: Frames) -> str | None:
    """Publish until a frame comes: a subscription takes a moment."""
    for _ in range(200):
        await server.publish(CHANNEL.format(device_id=device_id), f"of {device_id}")
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(frames.get(), 0.1)
    raise AssertionError("no frame came")


async def test_twenty_who_come_at_once_all_get_frames(hub: LiveHub, server: redis.asyncio.Redis) -> None:
    async def phone(device_id: int) -> str | None:
        async with hub.watch(device_id) as frames:
            return await first_frame(server, device_id, frames)

    async with asyncio.timeout(60):
        heard = await asyncio.gather(*(phone(device_id) for device_id in range(20)))
    assert heard == [f"of {device_id}" for device_id in range(20)]


async def test_frames_come_again_after_connections_were_cut_while_phones_come_and_go(
    hub: LiveHub, server: redis.asyncio.Redis
) -> None:
    async def come_and_go(device_id: int) -> None:
        while True:
            async with hub.watch(device_id):
                await asyncio.sleep(0.01)

    async with hub.watch(1) as frames:
        churn = [asyncio.create_task(come_and_go(device_id)) for device_id in range(2, 12)]
        for _ in range(10):
            await asyncio.sleep(0.15)
            await server.client_kill_filter(_type="pubsub")
            await server.client_kill_filter(_type="normal", skipme=True)
        assert not any(task.done() for task in churn)
        assert await first_frame(server, 1, frames) == "of 1"
        for task in churn:
            task.cancel()
        await asyncio.gather(*churn, return_exceptions=True)
        assert await first_frame(server, 1, frames) == "of 1"
    async with hub.watch(2) as frames:
        assert await first_frame(server, 2, frames) == "of 2"


async def test_who_watches_after_the_last_one_left_gets_frames(hub: LiveHub, server: redis.asyncio.Redis) -> None:
    for device_id in (1, 1, 2, 1):
        async with hub.watch(device_id) as frames:
            assert await first_frame(server, device_id, frames) == f"of {device_id}"
    async with hub.watch(3) as frames:
        pass
    async with hub.watch(3) as frames:
        assert await first_frame(server, 3, frames) == "of 3"


async def test_a_phone_may_come_while_redis_is_away(settings: Settings, server: redis.asyncio.Redis) -> None:
    there = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    hub = LiveHub()
    async with hub.watch(1) as frames:
        await asyncio.sleep(0.1)
        hub._redis.connection_pool = redis.asyncio.ConnectionPool.from_url(there)
        assert await first_frame(server, 1, frames) == "of 1"
    await hub.close()


async def test_a_connection_that_falls_silent_is_replaced(
    hub: LiveHub, server: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecowatt.subscriptions.SILENCE_S", 0.5)
    async with hub.watch(1) as frames:
        assert await first_frame(server, 1, frames) == "of 1"
        await server.client_pause(1_500)  # answers nobody, as a half-open connection
        assert await first_frame(server, 1, frames) == "of 1"


async def test_what_is_watched_is_announced(hub: LiveHub, server: redis.asyncio.Redis) -> None:
    await server.delete(WATCHED)
    async with hub.watch(7) as frames:
        await first_frame(server, 7, frames)
        assert await server.zrange(WATCHED, 0, -1) == [b"7"]


async def test_the_hub_cuts_off_a_queue_that_is_full_and_serves_the_others(hub: LiveHub) -> None:
    async with hub.watch(5) as slow, hub.watch(5) as quick:
        seen = []
        for power in range(CLIENT_BACKLOG + 1):
            hub._hand_out(5, frame(0, datetime.now(UTC), power, None, None))
            seen.append(quick.get_nowait())
        received = [slow.get_nowait() for _ in range(slow.qsize())]
        assert received[-1] is None
        assert None not in seen


async def test_a_reading_that_came_late_is_no_frame(hub: LiveHub, server: redis.asyncio.Redis) -> None:
    now = datetime.now(UTC)
    async with hub.watch(4) as frames:
        await first_frame(server, 4, frames)
        while not frames.empty():
            frames.get_nowait()
        publisher = LivePublisher()
        ages = ((5.0, 3600), (6.0, 61), (7.0, 2))
        publisher.publish(4, [Sample(0, now - timedelta(seconds=age), power, None, None, None, None) for power, age in ages])
        heard = await asyncio.wait_for(frames.get(), 20)
        assert heard is not None
        while heard == "of 4":
            heard = await asyncio.wait_for(frames.get(), 20) or ""
        assert orjson.loads(heard)["watts"] == 7.0
    await publisher.close()


async def test_the_publisher_goes_on_whatever_redis_answers(hub: LiveHub, server: redis.asyncio.Redis) -> None:
    await server.delete(WATCHED)
    await server.zadd(WATCHED, {"no device": 1e12})
    publisher = LivePublisher()
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in publisher._tasks)
    await publisher.close()
    await server.delete(WATCHED)
