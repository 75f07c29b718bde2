"""Signs of life, questions and silence, on the real Redis and database; time is passed in."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
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
from devices.presence import PREFIXES, STATES, Question, note_alive, note_doubt, reconcile, sweep, to_ask
from devices.presence_scripts import KEYS, SEEN
from devices.services import device_delete, device_toggle

pytestmark = pytest.mark.django_db(transaction=True)
START = 1_800_000_000.0
TOPIC = "shellyplus1pm-a8032412c3d4/rpc"


@pytest.fixture
async def store() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        await client.delete(*KEYS, PREFIXES)
        yield client
        await client.delete(*KEYS, PREFIXES)
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def states(store: redis.asyncio.Redis) -> AsyncIterator[Any]:
    """Return the announcements since the last call."""
    async with store.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(STATES)
        await channel.get_message(timeout=5)

        async def heard() -> list[dict[str, Any]]:
            await store.publish(STATES, b"null")
            found = []
            while (message := await channel.get_message(timeout=5)) is None or message["data"] != b"null":
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


async def asked(store: redis.asyncio.Redis, since: float, until: float) -> list[tuple[float, int]]:
    """Return when each device was asked, looking every second; the devices don't answer."""
    return [(at, q.device_id) for at in range(int(since), int(until)) for q in await to_ask(store, float(at))]


async def test_a_first_sign_of_life_is_written_and_announced_once(store: Any, states: Any, meter: Device) -> None:
    await asyncio.gather(*(note_alive(store, [meter.pk, meter.pk], START) for _ in range(5)))
    assert await row(meter) == (True, START)
    assert await states() == [{"device_id": meter.pk, "is_online": True, "at": START}]


async def test_further_signs_of_life_touch_redis_alone_in_one_round_trip(
    store: Any, states: Any, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await fleet(home, 3_000)
    await note_alive(store, ids, START)
    assert len(await states()) == 3_000
    before = (await store.info("commandstats"))["cmdstat_zadd"]["calls"]
    await note_alive(store, ids, START + 5)
    assert (await store.info("commandstats"))["cmdstat_zadd"]["calls"] == before + 1
    assert await states() == []
    assert await store.zscore(SEEN, ids[7]) == START + 5
    assert await sync_to_async(Device.objects.filter(last_seen_at=datetime.fromtimestamp(START, UTC)).count)() == 3_000


async def test_an_older_sign_of_life_does_not_set_a_device_back(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await note_alive(store, [meter.pk], START - 30)
    assert await store.zscore(SEEN, meter.pk) == START


async def test_a_silent_device_is_asked_once_a_minute_and_a_talking_one_never(store: Any, home: Home) -> None:
    silent, talking = await fleet(home, 2)
    await note_alive(store, [silent, talking], START)
    times = []
    for second in range(300):
        await note_alive(store, [talking], START + second)
        found = await to_ask(store, START + second)
        times += [second for question in found if question.device_id == silent]
        assert all(question.device_id == silent for question in found)
    assert 60 <= times[0] <= 120
    assert {after - before for before, after in pairwise(times)} == {60}


async def test_a_device_that_answers_is_asked_every_minute(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    times = []
    for second in range(600):
        if await to_ask(store, START + second):
            times.append(second)
            await note_alive(store, [meter.pk], START + second + 0.2)
    assert {after - before for before, after in pairwise(times)} == {61}  # 60 s after the answer, seen each second


async def test_the_questions_are_spread_over_the_minute(store: Any, home: Home) -> None:
    ids = await fleet(home, 600)
    await note_alive(store, ids, START)
    found = await asked(store, START, START + 121)
    assert sorted(device_id for _at, device_id in found) == sorted(ids)
    assert max(Counter(at for at, _id in found).values()) <= 13  # ten a second, were it perfect


async def test_after_a_break_of_all_askers_the_questions_are_spread_again(store: Any, home: Home) -> None:
    await note_alive(store, await fleet(home, 600), START)
    found = await asked(store, START + 1_000, START + 1_061)
    assert len(found) == 600
    assert max(Counter(at for at, _id in found).values()) <= 13


async def test_two_callers_never_get_the_same_device(store: Any, home: Home) -> None:
    ids = await fleet(home, 200)
    await note_alive(store, ids, START)
    await note_doubt(store, ids, START + 1)
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as other:
        found = await asyncio.gather(*(to_ask(client, START + 1) for client in [store, other] * 4))
    assert sorted(question.device_id for some in found for question in some) == sorted(ids)


async def test_a_doubt_asks_at_once_but_not_twice_a_minute(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await note_doubt(store, [meter.pk], START + 3)
    assert await to_ask(store, START + 3) == [Question(meter.pk, TOPIC)]
    await note_alive(store, [meter.pk], START + 4)
    await note_doubt(store, [meter.pk], START + 10)
    assert await asked(store, START + 10, START + 63) == []
    assert await to_ask(store, START + 63) == [Question(meter.pk, TOPIC)]
    assert await row(meter) == (True, START)


async def test_a_doubt_that_data_disproved_is_forgotten(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await note_doubt(store, [meter.pk], START + 3)
    await note_alive(store, [meter.pk], START + 3.5)
    assert await to_ask(store, START + 4) == []


async def test_a_late_last_will_takes_no_device_offline(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await note_doubt(store, [meter.pk], START + 1)
    for second in range(1, 300, 5):
        await to_ask(store, START + second)
        await note_alive(store, [meter.pk], START + second)
        await sweep(store, START + second)
    assert (await row(meter))[0] is True


async def test_a_doubt_about_a_device_that_is_offline_asks_nothing(store: Any, meter: Device) -> None:
    await note_doubt(store, [meter.pk], START)
    assert await asked(store, START, START + 130) == []


async def test_who_is_silent_and_leaves_a_question_unanswered_is_offline_announced_once(
    store: Any, states: Any, meter: Device
) -> None:
    await note_alive(store, [meter.pk], START)
    await note_doubt(store, [meter.pk], START + 1)
    await to_ask(store, START + 1)
    await states()
    await sweep(store, START + 89)
    assert (await row(meter))[0] is True
    await asyncio.gather(*(sweep(store, START + 91) for _ in range(4)))
    assert await row(meter) == (False, START)
    assert await states() == [{"device_id": meter.pk, "is_online": False, "at": START + 91}]


async def test_silence_alone_takes_nobody_offline_while_someone_asks(store: Any, meter: Device) -> None:
    await to_ask(store, START)
    await note_alive(store, [meter.pk], START)
    await sweep(store, START + 100)
    assert (await row(meter))[0] is True


async def test_where_nobody_asks_silence_says_it_all(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await sweep(store, START + 91)
    assert await row(meter) == (False, START)


async def test_a_device_that_comes_back_is_announced_again(store: Any, states: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await sweep(store, START + 91)
    await note_alive(store, [meter.pk], START + 200)
    assert await row(meter) == (True, START + 200)
    assert [state["is_online"] for state in await states()] == [True, False, True]


async def test_a_device_that_is_offline_is_asked_every_ten_minutes(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    times = []
    for second in range(2_000):
        await sweep(store, START + second)
        times += [second] * len(await to_ask(store, START + second))
    assert [after - before for before, after in pairwise(times[1:])] == [600] * (len(times) - 2)
    assert len(times) >= 4


async def test_a_deactivated_device_is_not_asked_and_goes_offline_by_silence(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await sync_to_async(device_toggle)(device=meter)
    for second in range(0, 140, 2):
        assert await to_ask(store, START + second) == []
        await sweep(store, START + second)
    assert (await row(meter))[0] is False


async def test_a_deleted_device_leaves_nothing_behind(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await sync_to_async(device_delete)(device=meter)
    assert await asked(store, START, START + 121) == []
    assert [await store.exists(key) for key in KEYS[:4]] == [0, 0, 0, 0]


async def test_a_learnt_prefix_is_asked_under_instead_of_the_usual_one(store: Any, meter: Device) -> None:
    await store.hset(PREFIXES, mapping={"casa/cocina": "a8032412c3d4", "otra": "000000000000"})
    await note_alive(store, [meter.pk], START)
    await note_doubt(store, [meter.pk], START)
    assert await to_ask(store, START) == [Question(meter.pk, "casa/cocina/rpc")]


async def test_what_redis_forgot_is_mended(store: Any, states: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await store.delete(*KEYS)
    await reconcile(store, START + 1_000)
    await sweep(store, START + 1_000)
    assert (await row(meter))[0] is True  # it has half a minute to be heard
    await sweep(store, START + 1_031)
    assert (await row(meter))[0] is False
    assert [state["is_online"] for state in await states()] == [True, False]


async def test_a_device_that_is_heard_but_written_as_offline_is_mended(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    await sync_to_async(Device.objects.update)(is_online=False)
    await reconcile(store, START + 10)
    assert (await row(meter))[0] is True


async def test_the_database_learns_when_a_device_that_stays_was_last_seen(store: Any, meter: Device) -> None:
    await note_alive(store, [meter.pk], START)
    for after, written in ((500, 0), (700, 700)):
        await note_alive(store, [meter.pk], START + after)
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
