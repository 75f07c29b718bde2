"""Signs of life, status requests and silence, on the real Redis and database; time is passed in."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections

from accounts.models import Home
from devices import tasks
from devices.models import Device
from devices.presence.presence import STATES, note_alive, reconcile, sweep
from devices.presence.redis_scripts import DEVICE_KEYS, KEYS, SEEN
from devices.presence.status_requests import PREFIX_OF, StatusRequest, due_requests, note_doubt, note_prefixes
from devices.services import device_delete, device_toggle

pytestmark = pytest.mark.django_db(transaction=True)
START = 1_800_000_000.0
TOPIC = "shellyplus1pm-a8032412c3d4/rpc"


@pytest.fixture
async def store() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        await client.delete(*KEYS, PREFIX_OF)
        yield client
        await client.delete(*KEYS, PREFIX_OF)
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def states(store: redis.asyncio.Redis) -> AsyncIterator[Any]:
    """Return the announcements since the last call."""
    async with store.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(STATES)
        await channel.get_message(timeout=60)

        async def heard() -> list[dict[str, Any]]:
            await store.publish(STATES, b"null")
            found = []
            while (message := await channel.get_message(timeout=60)) is None or message["data"] != b"null":
                if message:
                    found.append(orjson.loads(message["data"]))
            return found

        yield heard


@sync_to_async
def row(device: Device) -> tuple[bool, float | None]:
    device.refresh_from_db()
    return device.is_online, device.last_seen_at.timestamp() if device.last_seen_at else None


@sync_to_async
def fleet(home: Home, count: int) -> list[int]:
    rows = [Device(home=home, hardware_id=f"{number:012x}", name="Circuito") for number in range(count)]
    return [device.pk for device in Device.objects.bulk_create(rows)]


async def alive(store: redis.asyncio.Redis, device_ids: Iterable[int], at: float) -> None:
    await note_alive(store, dict.fromkeys(device_ids, at))


async def doubt(store: redis.asyncio.Redis, device_ids: Iterable[int], at: float) -> None:
    await note_doubt(store, dict.fromkeys(device_ids, at))


async def asked(store: redis.asyncio.Redis, since: float, until: float) -> list[tuple[float, int]]:
    """Return when each device was asked, looking every second; the devices don't answer."""
    return [(at, q.device_id) for at in range(int(since), int(until)) for q in await due_requests(store, float(at))]


async def test_a_first_sign_of_life_is_written_and_announced_once(store: Any, states: Any, meter: Device) -> None:
    await asyncio.gather(*(alive(store, [meter.pk, meter.pk], START) for _ in range(5)))
    assert await row(meter) == (True, START)
    assert await states() == [{"device_id": meter.pk, "is_online": True, "at": START}]


async def test_who_told_changes_alone_is_asked_at_once_and_no_sooner_than_in_a_minute_again(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    asked_at = []
    for at in range(0, 130, 10):
        asked_at += [at for _request in await due_requests(store, START + at, [meter.pk, meter.pk + 1])]
        await alive(store, [meter.pk], START + at)
    assert asked_at == [0, 60, 120]


async def test_further_signs_of_life_touch_redis_alone_in_one_round_trip(
    store: Any, states: Any, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await fleet(home, 3_000)
    await alive(store, ids, START)
    assert len(await states()) == 3_000
    before = (await store.info("commandstats"))["cmdstat_zadd"]["calls"]
    await alive(store, ids, START + 5)
    assert (await store.info("commandstats"))["cmdstat_zadd"]["calls"] == before + 1
    assert await states() == []
    assert await store.zscore(SEEN, ids[7]) == START + 5
    assert await sync_to_async(Device.objects.filter(last_seen_at=datetime.fromtimestamp(START, UTC)).count)() == 3_000


async def test_an_older_sign_of_life_does_not_set_a_device_back(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await alive(store, [meter.pk], START - 30)
    assert await store.zscore(SEEN, meter.pk) == START


async def test_a_silent_device_is_asked_once_a_minute_and_a_talking_one_never(store: Any, home: Home) -> None:
    silent, talking = await fleet(home, 2)
    await alive(store, [silent, talking], START)
    times = []
    for second in range(300):
        await alive(store, [talking], START + second)
        found = await due_requests(store, START + second)
        times += [second for request in found if request.device_id == silent]
        assert all(request.device_id == silent for request in found)
    assert 60 <= times[0] <= 120
    assert {after - before for before, after in pairwise(times)} == {60}


async def test_a_device_that_answers_is_asked_every_minute(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    times = []
    for second in range(600):
        if await due_requests(store, START + second):
            times.append(second)
            await alive(store, [meter.pk], START + second + 0.2)
    assert {after - before for before, after in pairwise(times)} == {61}  # 60 s after the answer, seen each second


async def test_the_requests_are_spread_over_the_minute(store: Any, home: Home) -> None:
    ids = await fleet(home, 600)
    await alive(store, ids, START)
    found = await asked(store, START, START + 121)
    assert sorted(device_id for _at, device_id in found) == sorted(ids)
    assert max(Counter(at for at, _id in found).values()) <= 13  # ten a second, were it perfect


async def test_after_a_break_of_all_askers_the_requests_are_spread_again(store: Any, home: Home) -> None:
    await alive(store, await fleet(home, 600), START)
    found = await asked(store, START + 1_000, START + 1_061)
    assert len(found) == 600
    assert max(Counter(at for at, _id in found).values()) <= 13


async def test_two_callers_never_get_the_same_device(store: Any, home: Home) -> None:
    ids = await fleet(home, 200)
    await alive(store, ids, START)
    await doubt(store, ids, START + 1)
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as other:
        found = await asyncio.gather(*(due_requests(client, START + 1) for client in [store, other] * 4))
    assert sorted(request.device_id for some in found for request in some) == sorted(ids)


async def test_a_doubt_asks_at_once_but_not_again_and_again(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await doubt(store, [meter.pk], START + 3)
    assert await due_requests(store, START + 3) == [StatusRequest(meter.pk, TOPIC)]
    await alive(store, [meter.pk], START + 4)
    await doubt(store, [meter.pk], START + 5)
    assert await asked(store, START + 5, START + 73) == [(START + 13, meter.pk)]
    assert await row(meter) == (True, START)


async def test_a_doubt_counts_against_what_was_heard_before_it_alone(store: Any, home: Home) -> None:
    before, after = await fleet(home, 2)
    await note_alive(store, {before: START, after: START})
    await note_alive(store, {before: START + 3.1, after: START + 3.3})
    await note_doubt(store, {before: START + 3.2, after: START + 3.2})
    assert [request.device_id for request in await due_requests(store, START + 4)] == [before]


async def test_a_device_that_comes_and_goes_at_once_is_asked(store: Any, home: Home) -> None:
    gone, other = await fleet(home, 2)
    await note_alive(store, {gone: START, other: START + 1})
    await note_doubt(store, {gone: START + 0.5})
    assert [request.device_id for request in await due_requests(store, START + 1)] == [gone]


async def test_a_doubt_that_data_disproved_is_forgotten(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await doubt(store, [meter.pk], START + 3)
    await alive(store, [meter.pk], START + 3.5)
    assert await due_requests(store, START + 4) == []


async def test_a_late_last_will_takes_no_device_offline(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await doubt(store, [meter.pk], START + 1)
    for second in range(1, 300, 5):
        await due_requests(store, START + second)
        await alive(store, [meter.pk], START + second)
        await sweep(store, START + second)
    assert (await row(meter))[0] is True


async def test_a_doubt_about_a_device_that_is_offline_asks_nothing(store: Any, meter: Device) -> None:
    await doubt(store, [meter.pk], START)
    assert await asked(store, START, START + 130) == []


async def test_who_is_silent_and_leaves_a_request_unanswered_is_offline_announced_once(
    store: Any, states: Any, meter: Device
) -> None:
    await alive(store, [meter.pk], START)
    await doubt(store, [meter.pk], START + 1)
    await due_requests(store, START + 1)
    await states()
    await sweep(store, START + 89)
    assert (await row(meter))[0] is True
    await asyncio.gather(*(sweep(store, START + 91) for _ in range(4)))
    assert await row(meter) == (False, START)
    assert await states() == [{"device_id": meter.pk, "is_online": False, "at": START + 91}]


async def test_silence_alone_takes_nobody_offline_while_someone_asks(store: Any, meter: Device) -> None:
    await due_requests(store, START)
    await alive(store, [meter.pk], START)
    await sweep(store, START + 100)
    assert (await row(meter))[0] is True


async def test_where_nobody_asks_silence_says_it_all(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await sweep(store, START + 91)
    assert await row(meter) == (False, START)


async def test_a_device_that_comes_back_is_announced_again(store: Any, states: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await sweep(store, START + 91)
    await alive(store, [meter.pk], START + 200)
    assert await row(meter) == (True, START + 200)
    assert [state["is_online"] for state in await states()] == [True, False, True]


async def test_a_device_that_is_offline_is_asked_every_ten_minutes(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    times = []
    for second in range(2_000):
        await sweep(store, START + second)
        times += [second] * len(await due_requests(store, START + second))
    assert [after - before for before, after in pairwise(times[1:])] == [600] * (len(times) - 2)
    assert len(times) >= 4


async def test_a_deactivated_device_is_not_asked_and_goes_offline_by_silence(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await sync_to_async(device_toggle)(device=meter)
    for second in range(0, 140, 2):
        assert await due_requests(store, START + second) == []
        await sweep(store, START + second)
    assert (await row(meter))[0] is False


async def test_a_deleted_device_leaves_nothing_behind(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await sync_to_async(device_delete)(device=meter)
    assert await asked(store, START, START + 121) == []
    assert [await store.exists(key) for key in DEVICE_KEYS] == [0, 0, 0, 0]


async def test_a_device_is_asked_under_the_prefix_that_it_spoke_under_last(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    for second, prefix in enumerate(("shellypro4pm-a8032412c3d4", "cocina")):
        await note_prefixes(store, {"a8032412c3d4": prefix, "000000000000": "otra"})
        await doubt(store, [meter.pk], START + second * 10)
        assert await due_requests(store, START + second * 10) == [StatusRequest(meter.pk, f"{prefix}/rpc")]


async def test_what_redis_forgot_is_mended(store: Any, states: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await store.delete(*KEYS)
    await reconcile(store, START + 1_000)
    await sweep(store, START + 1_000)
    assert (await row(meter))[0] is True  # it has half a minute to be heard
    await sweep(store, START + 1_031)
    assert (await row(meter))[0] is False
    assert [state["is_online"] for state in await states()] == [True, False]


async def test_a_device_that_is_heard_but_written_as_offline_is_mended(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    await sync_to_async(Device.objects.update)(is_online=False)
    await reconcile(store, START + 10)
    assert (await row(meter))[0] is True


async def test_the_database_learns_when_a_device_that_stays_was_last_seen(store: Any, meter: Device) -> None:
    await alive(store, [meter.pk], START)
    for after, written in ((500, 0), (700, 700)):
        await alive(store, [meter.pk], START + after)
        await reconcile(store, START + after)
        assert await row(meter) == (True, START + written)


def test_the_scheduled_sweep_takes_a_silent_device_offline_and_may_run_twice(meter: Device) -> None:
    Device.objects.update(is_online=True)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(*KEYS)
        client.zadd(SEEN, {meter.pk: time.time() - 1_000})
        tasks.presence_sweep()
        tasks.presence_sweep()
        client.delete(*KEYS)
    meter.refresh_from_db()
    assert meter.is_online is False
