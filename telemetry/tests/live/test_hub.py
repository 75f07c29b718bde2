"""The hub between Redis and the sockets, on a real Redis that cuts it off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import redis.asyncio
from django.conf import settings
from pytest_django.fixtures import Settings

from telemetry.live.hub import CLIENT_BACKLOG, CloseCode, Frames, LiveHub
from telemetry.live.publisher import WATCHERS, LivePublisher, watchers_in
from telemetry.shelly.samples import Sample


@pytest.fixture
async def server() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        yield client


@pytest.fixture
async def hub() -> AsyncIterator[LiveHub]:
    one = LiveHub()
    yield one
    await one.close()


@pytest.fixture
async def publisher() -> AsyncIterator[LivePublisher]:
    one = LivePublisher()
    yield one
    await one.close()


def sample(power: float, channel: int = 0, age_s: float = 0.0) -> Sample:
    return Sample(channel, datetime.now(UTC) - timedelta(seconds=age_s), power, None, None, None, None)


async def watts(frames: Frames) -> float:
    text = await asyncio.wait_for(frames.get(), 60)
    assert isinstance(text, str), text
    return float(orjson.loads(text)["watts"])


async def comes_again(publisher: LivePublisher, device_id: int, frames: Frames) -> bool:
    """Publish until a frame comes, as after Redis was away."""
    for _ in range(200):
        publisher.publish(device_id, [sample(device_id)])
        with contextlib.suppress(TimeoutError):
            text = await asyncio.wait_for(frames.get(), 0.1)
            return isinstance(text, str) and orjson.loads(text)["watts"] == device_id
    return False


async def test_two_hundred_who_come_at_once_miss_nothing_that_is_stored_from_then_on(
    hub: LiveHub, publisher: LivePublisher
) -> None:
    async def phone(device_id: int) -> list[float]:
        async with hub.watch(device_id) as frames:
            publisher.publish(device_id, [sample(device_id)])
            publisher.publish(device_id, [sample(device_id + 0.5)])
            return [await watts(frames), await watts(frames)]

    async with asyncio.timeout(60):
        heard = await asyncio.gather(*(phone(device_id) for device_id in range(200)))
    assert heard == [[device_id, device_id + 0.5] for device_id in range(200)]


async def test_a_writer_that_can_not_look_for_a_while_holds_what_may_be_watched(
    hub: LiveHub, publisher: LivePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub.watch(1):
        await until(lambda: 1 in publisher.watchers)
    monkeypatch.setattr("telemetry.live.hub.NEW_WATCHERS", "elsewhere")  # the news does not reach the writer
    async with hub.watch(2) as frames:
        for power in (1.0, 2.0, 3.0):
            publisher.publish(2, [sample(power)])
        assert [await watts(frames) for _ in range(3)] == [1.0, 2.0, 3.0]


async def test_what_nobody_watches_is_forgotten_after_a_look(publisher: LivePublisher) -> None:
    publisher.publish(3, [sample(1.0)])
    await until(lambda: not publisher.held)
    assert not publisher.pending


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110 – it is no event of ours
            await asyncio.sleep(0.01)


async def test_frames_come_again_after_connections_were_cut_while_phones_come_and_go(
    hub: LiveHub, publisher: LivePublisher, server: redis.asyncio.Redis
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
        assert await comes_again(publisher, 1, frames)
        for task in churn:
            task.cancel()
        await asyncio.gather(*churn, return_exceptions=True)
        assert await comes_again(publisher, 1, frames)
    async with hub.watch(2) as frames:
        assert await comes_again(publisher, 2, frames)


async def test_who_watches_after_the_last_one_left_gets_frames(hub: LiveHub, publisher: LivePublisher) -> None:
    for device_id in (1, 1, 2, 1):
        async with hub.watch(device_id) as frames:
            publisher.publish(device_id, [sample(device_id)])
            assert await watts(frames) == device_id
    assert not hub.watched


async def test_a_phone_may_come_while_redis_is_away(settings: Settings, publisher: LivePublisher) -> None:
    there = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    hub = LiveHub()
    async with hub.watch(1) as frames:
        for client in (hub._redis, hub._registration._redis):
            client.connection_pool = redis.asyncio.ConnectionPool.from_url(there)
        assert await comes_again(publisher, 1, frames)
    await hub.close()


async def test_a_connection_that_falls_silent_is_replaced(
    hub: LiveHub, publisher: LivePublisher, server: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.redis_channels.SILENCE_S", 0.5)
    async with hub.watch(1) as frames:
        assert await comes_again(publisher, 1, frames)
        await server.client_pause(1_500)  # answers nobody, as a half-open connection
        assert await comes_again(publisher, 1, frames)


async def test_what_is_watched_stands_in_redis_before_the_handshake_is_answered(
    hub: LiveHub, server: redis.asyncio.Redis
) -> None:
    await server.delete(WATCHERS)
    async with hub.watch(7):
        assert watchers_in(b" ".join(await server.zrange(WATCHERS, 0, -1))) == {7: {hub.hub_id}}


async def test_the_hub_cuts_off_a_queue_that_is_full_and_serves_the_others(hub: LiveHub) -> None:
    async with hub.watch(5) as slow, hub.watch(5) as quick:
        seen = []
        for power in range(CLIENT_BACKLOG + 1):
            hub.hand_out(5, False, float(power), [(0, float(power), float(power), None, None)], [])
            seen.append(await watts(quick))
        assert slow.get_nowait() is CloseCode.TOO_SLOW
        assert slow.empty()
    assert seen == list(range(CLIENT_BACKLOG + 1))


async def test_a_reading_that_came_late_is_no_frame(hub: LiveHub, publisher: LivePublisher) -> None:
    async with hub.watch(4) as frames:
        publisher.publish(4, [sample(5.0, age_s=3600), sample(6.0, age_s=61), sample(7.0, age_s=2)])
        assert await watts(frames) == 7.0
        assert frames.empty()


async def test_a_relay_that_is_as_it_was_is_no_frame(hub: LiveHub, publisher: LivePublisher) -> None:
    said = [(60.0, True), (None, True), (None, False), (None, False), (61.0, None)]
    async with hub.watch(8) as frames:
        for seconds, (power, output) in enumerate(said):
            at = datetime.now(UTC) - timedelta(seconds=10 - seconds)
            publisher.publish(8, [Sample(0, at, power, None, None, None, None, output=output)])
        texts = [await asyncio.wait_for(frames.get(), 60) for _ in range(3)]
        assert frames.empty()
    channels = [orjson.loads(str(text))["channels"][0] for text in texts]
    assert [(one["watts"], one["output"]) for one in channels] == [(60.0, True), (60.0, False), (61.0, False)]
    assert channels[0]["time"] == channels[1]["time"] < channels[2]["time"]  # a relay says nothing of the power


async def test_a_batch_of_several_messages_is_as_many_frames(hub: LiveHub, publisher: LivePublisher) -> None:
    """What comes by MQTT is stored in batches; the channels of a notification share its time."""
    now = datetime.now(UTC)
    said = [(0, 3.0, 10.0), (1, 3.0, 20.0), (1, 2.0, 21.0), (0, 1.0, 11.0)]
    batch = [Sample(channel, now - timedelta(seconds=age), power, 0.0, None, None, None) for channel, age, power in said]
    async with hub.watch(6) as frames:
        publisher.publish(6, batch)
        assert [await watts(frames) for _ in range(3)] == [30.0, 31.0, 32.0]
        assert frames.empty()


async def test_the_publisher_goes_on_whatever_redis_answers(hub: LiveHub, server: redis.asyncio.Redis) -> None:
    await server.zadd(WATCHERS, {"no device": 1e12})
    publisher = LivePublisher()
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in publisher.tasks)
    await publisher.close()
    await server.delete(WATCHERS)


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_whoever_listens_ends_at_the_first_cancellation_whenever_it_comes(turns: int) -> None:
    hub, publisher = LiveHub(), LivePublisher()
    async with hub.watch(1):
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks = {hub.task, *publisher.tasks}
        for task in tasks:
            task.cancel()
        _done, pending = await asyncio.wait(tasks, timeout=60)
        assert pending == set()
    await publisher.close()
    await hub.close()
