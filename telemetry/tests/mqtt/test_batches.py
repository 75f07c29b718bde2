"""Batches of MQTT messages become readings, on real Redis and PostgreSQL."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings
from redis.asyncio import ConnectionPool, Redis

from accounts.models import Home
from common.mqtt.connection import Message
from common.testing import await_true
from devices.constants import RPC_REPLIES
from devices.discovery import FACTS, UNPROVEN, UnprovenDevice, seen_among
from devices.models import Device, RelayState
from devices.presence.status_requests import PREFIX_OF
from telemetry.ingest import writer as writing
from telemetry.ingest.device_state import STATUS
from telemetry.ingest.drop_log import DropLog
from telemetry.ingest.writer_connection import database_conninfo
from telemetry.live.hub import LiveHub
from telemetry.models import Reading
from telemetry.mqtt.batches import BatchProcessor
from telemetry.mqtt.topic_prefixes import PREFIXES
from telemetry.tests.conftest import close_ingest
from telemetry.tests.mqtt_device import message

pytestmark = pytest.mark.django_db(transaction=True)
MAC = "a8032412c3d4"
ID = f"shellyplus1pm-{MAC}"
FRAMES = Path(__file__).parent.parent / "shelly" / "frames"
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
async def store() -> AsyncIterator[Redis]:
    client = Redis.from_url(django_settings.REDIS_URL)
    yield client
    await client.aclose()
    await close_ingest()


@pytest.fixture
def processor(store: Redis) -> BatchProcessor:
    return BatchProcessor(store)


@pytest.fixture
async def lonely_processor() -> AsyncIterator[BatchProcessor]:
    """A processor whose Redis is away."""
    client = Redis.from_url(NOBODY_LISTENS)
    yield BatchProcessor(client)
    await client.aclose()
    await close_ingest()


NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def notify(seconds: float, *, method: str = "NotifyStatus", source: str = ID, prefix: str = ID, **fields: Any) -> Message:
    params = {"ts": NOW.timestamp() + seconds, "switch:0": {"id": 0, **fields}}
    return message(f"{prefix}/events/rpc", {"src": source, "dst": f"{prefix}/events", "method": method, "params": params})


def full(seconds: float, power: float, total: float, **more: Any) -> Message:
    fields = {"apower": power, "voltage": 127.0, "current": 0.5, "aenergy": {"total": total}}
    return notify(seconds, method="NotifyFullStatus", **fields, **more)


@sync_to_async
def rows() -> list[tuple[float, float, float | None, float | None]]:
    """Seconds since the minute, power, voltage and counter of each reading."""
    found = Reading.objects.order_by("time", "channel")
    return [(round((one.time - NOW).total_seconds(), 2), one.power_w, one.voltage_v, one.energy_wh) for one in found]


async def test_a_change_is_laid_over_what_another_process_was_told(
    processor: BatchProcessor, store: Redis, meter: Device
) -> None:
    await processor.process([full(-5, 60.0, 100.0)])
    other = BatchProcessor(store)
    await other.process([notify(-4, apower=90.0), notify(-3, aenergy={"total": 100.5})])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, None), (-3, 90, 127, 100.5)]


async def test_a_change_is_laid_over_what_is_still_being_stored(processor: BatchProcessor, meter: Device) -> None:
    first = await processor.merge([full(-5, 60.0, 100.0)])
    second = await processor.merge([notify(-4, apower=90.0)])
    await processor.commit(first)
    third = await processor.merge([notify(-3, aenergy={"total": 100.5})])
    await processor.commit(second)
    await processor.commit(third)
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, None), (-3, 90, 127, 100.5)]


async def test_what_another_process_heard_since_the_last_batch_counts(
    processor: BatchProcessor, store: Redis, meter: Device
) -> None:
    await processor.process([full(-5, 60.0, 100.0)])
    await BatchProcessor(store).process([notify(-4, voltage=125.0)])
    await processor.process([notify(-3, apower=90.0)])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 60, 125, None), (-3, 90, 125, None)]


async def test_the_same_fact_on_two_topics_is_one_reading(processor: BatchProcessor, meter: Device) -> None:
    await processor.process([full(-5, 60.0, 100.0)])
    status = {"id": 0, "output": True, "apower": 90.0, "voltage": 127.0, "current": 0.5, "aenergy": {"total": 100.0}}
    await processor.process([notify(-4, apower=90.0), message(f"{ID}/status/switch:0", status)])
    assert len(await rows()) == 2


async def test_a_batch_that_comes_again_changes_nothing(processor: BatchProcessor, meter: Device) -> None:
    batch = [full(-5, 60.0, 100.0), notify(-4, apower=90.0), notify(-3, apower=70.0, voltage=126.0)]
    await processor.process(batch)
    stored = await rows()
    await processor.process(batch)
    await processor.process(batch[:2])
    assert await rows() == stored
    await processor.process([notify(-2, current=0.7)])
    assert (await rows())[-1] == (-2, 70, 126, None)


async def test_a_process_that_remembers_nothing_does_not_take_returned_energy_for_used(
    processor: BatchProcessor, store: Redis, meter: Device
) -> None:
    await processor.process([full(-5, 60.0, 100.0, ret_aenergy={"total": 40.0})])
    await writing.writer().close()
    await store.delete(STATUS + MAC)
    await BatchProcessor(store).process([notify(-4, apower=60.0, aenergy={"total": 101.0})])
    assert await rows() == [(-5, 60, 127, 60.0), (-4, 60, None, None)]


async def test_two_facts_of_one_moment_are_one_reading_with_both(processor: BatchProcessor, meter: Device) -> None:
    await processor.process([full(-5, 60.0, 100.0), notify(-4, aenergy={"total": 101.0}), notify(-4, apower=90.0)])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, 101.0)]


async def test_bad_messages_stop_no_other(processor: BatchProcessor, meter: Device) -> None:
    bad = [
        Message(f"{ID}/events/rpc", b"\xff\x00 no json", 0.0),
        Message("", b"", 0.0),
        message(f"{ID}/events/rpc", {"method": "NotifyStatus"}),
        notify(-6, apower=1e9),
        notify(-6, apower="much"),
        message(f"{ID}/status/switch:0", [1]),
    ]
    await processor.process([*bad[:3], full(-5, 60.0, 100.0), *bad[3:]])
    assert await rows() == [(-5, 60, 127, 100.0)]
    assert processor.drops.total == len(bad)


async def test_a_value_that_the_database_refuses_costs_no_other_device(
    processor: BatchProcessor, meter: Device, home: Home, settings: Settings
) -> None:
    settings.TELEMETRY_MAX_POWER_W = 1e300
    other = await Device.objects.acreate(home=home, hardware_id="b8032412c3d4", name="Sala")
    said = [
        message(f"{name}/events/rpc", {"src": name, "method": "NotifyStatus", "params": {"em1:0": {"act_power": power}}})
        for name, power in ((ID, 1e200), (f"shellyplus1pm-{other.hardware_id}", 5.0))
    ]
    await processor.process(said)
    assert [one.device_id async for one in Reading.objects.all()] == [other.pk]
    assert (processor.counts["readings"], processor.drops.total) == (1, 1)


async def test_unknown_and_inactive_devices_leave_nothing(processor: BatchProcessor, store: Redis, meter: Device) -> None:
    meter.is_active = False
    await meter.asave()
    name = "shellyplus1pm-ffffffffffff"
    stranger = notify(-5, source=name, prefix=name, apower=5.0)
    await processor.process([full(-5, 60.0, 100.0), stranger])
    assert await rows() == []
    assert await store.exists(STATUS + MAC, STATUS + "ffffffffffff") == 0
    assert (processor.counts["of inactive devices"], processor.counts["of unknown devices"]) == (1, 1)


async def test_a_topic_without_a_device_is_known_by_the_prefix_learnt_from_frames(
    processor: BatchProcessor, store: Redis, meter: Device
) -> None:
    await processor.process([notify(-5, prefix="shelly-garage", apower=60.0)])
    other = BatchProcessor(store)
    now = datetime.now(UTC).replace(microsecond=0)
    for seconds in (0, 100):  # the first one might go beside a frame
        at = now + timedelta(seconds=seconds)
        await other.process([message("shelly-garage/status/switch:0", {"apower": 80.0, "voltage": 127.0}, at)])
    assert await rows() == [(-5, 60, None, None), ((at - NOW).total_seconds(), 80, 127, None)]


def answer(prefix: str, source: str = ID, power: float = 5.0) -> Message:
    result = {"switch:0": {"apower": power}, "sys": {"unixtime": int(NOW.timestamp())}}
    return message(f"{RPC_REPLIES}/ingest-1/{prefix}/rpc", {"id": 1, "src": source, "dst": "x", "result": result})


async def test_a_prefix_set_on_the_device_counts_once_its_device_has_answered_there(
    processor: BatchProcessor, home: Home, meter: Device
) -> None:
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="casa/garage")
    for number in range(2):
        await Device.objects.acreate(home=home, hardware_id=f"b8032412c3d{number}", name="Otro", mqtt_prefix="otros")
    body = {"apower": 80.0, "voltage": 127.0}
    said = [message(f"{prefix}/status/switch:0", body) for prefix in ("casa/garage", "otros", "shellyplus1pm")]
    await processor.process(said)
    assert (await rows(), processor.counts["of unknown prefix"]) == ([], 3)
    assert (processor.take_unproven(), processor.take_unproven()) == ({"casa/garage"}, set())
    await processor.process([answer("casa/garage")])
    await processor.process(said[:1])
    assert [power for _at, power, *_ in await rows()] == [5, 80]


async def test_who_listens_under_a_typed_prefix_gets_its_own_readings_alone(
    processor: BatchProcessor, home: Home, meter: Device
) -> None:
    """A neighbour's prefix, typed on one's own device, brings nothing of the neighbour."""
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="vecino")
    await processor.process([message("vecino/status/switch:0", {"apower": 80.0})])
    await processor.process([answer("vecino", "shellyplus1pm-ffffffffffff")])
    await processor.process([message("vecino/status/switch:0", {"apower": 90.0})])
    assert await rows() == []


async def test_another_account_can_not_speak_for_a_device_that_is_heard(
    processor: BatchProcessor, store: Redis, meter: Device
) -> None:
    await processor.process([notify(-9, prefix="casa/garage", apower=60.0)])
    forged = [
        notify(-8, prefix="malo", apower=7_000.0),
        message("malo/status/switch:0", {"apower": 7_000.0}),
        message("malo/events/rpc", {"id": 1, "src": ID, "result": {"switch:0": {"apower": 7_000.0}, "sys": {}}}),
        Message("malo/online", b"false", datetime.now(UTC).timestamp()),
    ]
    for one in forged:
        await processor.process([one])
    other = BatchProcessor(store)
    await other.process(forged)
    await other.process([notify(-7, prefix="casa/garage", apower=61.0)])
    assert [power for _at, power, *_ in await rows()] == [60, 61]
    assert await store.hget(PREFIX_OF, MAC) == b"casa/garage"
    assert await store.hget(PREFIXES, "malo") is None


async def test_a_prefix_that_names_the_mac_is_always_the_devices(processor: BatchProcessor, meter: Device) -> None:
    await processor.process([notify(-9, prefix="malo", apower=7_000.0)])
    await processor.process([notify(-8, apower=60.0)])
    await processor.process([notify(-7, prefix="malo", apower=7_000.0)])
    assert [power for _at, power, *_ in await rows()] == [7_000, 60]


async def test_a_prefix_of_another_device_is_not_taught_anew(
    processor: BatchProcessor, store: Redis, home: Home, meter: Device
) -> None:
    await Device.objects.acreate(home=home, hardware_id="b8032412c3d4", name="Sala")
    await processor.process([notify(-9, prefix="casa/garage", apower=60.0)])
    await processor.process([notify(-8, prefix="casa/garage", source="shellyplus1pm-b8032412c3d4", apower=70.0)])
    assert await store.hget(PREFIXES, "casa/garage") == MAC.encode()


async def test_an_owner_may_set_another_prefix(processor: BatchProcessor, meter: Device) -> None:
    at = datetime.now(UTC)
    await processor.process([notify(-9, prefix="garage", apower=60.0)._replace(at=at.timestamp() - 700)])
    await processor.process([notify(-8, prefix="taller", apower=61.0)])
    await processor.process([notify(-7, prefix="taller", apower=62.0)])
    assert [power for _at, power, *_ in await rows()] == [60, 61, 62]


async def test_a_prefix_taught_in_the_same_batch_is_known(processor: BatchProcessor, meter: Device) -> None:
    await processor.process([message("x/online", b"true".decode()), notify(-5, prefix="x", apower=127.0)])
    assert processor.counts["of unknown prefix"] == 0


async def test_readings_are_stored_while_redis_is_away(lonely_processor: BatchProcessor, meter: Device) -> None:
    await lonely_processor.process([full(-5, 60.0, 100.0)])
    await lonely_processor.process([notify(-4, apower=90.0)])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, None)]


async def test_what_was_seen_without_redis_is_brought_to_it(
    processor: BatchProcessor, store: Redis, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.ingest.device_state.AWAY_S", 0.0)  # Redis is asked again at once
    await processor.process([full(-5, 60.0, 100.0)])
    there, store.connection_pool = store.connection_pool, ConnectionPool.from_url(NOBODY_LISTENS)
    await processor.process([notify(-4, voltage=125.0)])
    store.connection_pool = there
    await processor.process([notify(-3, apower=90.0)])
    await BatchProcessor(store).process([notify(-2, current=0.9)])
    assert (await rows())[-1] == (-2, 90, 125, None)


async def test_a_batch_waits_for_the_database(processor: BatchProcessor, meter: Device) -> None:
    async with await psycopg.AsyncConnection.connect(database_conninfo(), autocommit=True) as admin:
        await admin.execute("ALTER TABLE telemetry_reading RENAME TO telemetry_reading_gone")
        try:
            taking = asyncio.create_task(processor.process([full(-5, 60.0, 100.0)]))
            await sync_to_async(await_true)("it is tried again", lambda: processor.counts["retries"])
            assert not taking.done()
        finally:
            await admin.execute("ALTER TABLE telemetry_reading_gone RENAME TO telemetry_reading")
    await asyncio.wait_for(taking, 60)
    assert await rows() == [(-5, 60, 127, 100.0)]


async def test_a_clock_that_is_far_off_is_not_believed(processor: BatchProcessor, meter: Device) -> None:
    at = datetime.now(UTC)
    params = {"ts": 1_000_000_000.0, "switch:0": {"apower": 5.0}}
    await processor.process([message(f"{ID}/events/rpc", {"src": ID, "method": "NotifyStatus", "params": params}, at)])
    ((seconds, *_),) = await rows()
    assert seconds == pytest.approx((at - NOW).total_seconds(), abs=0.01)


async def test_an_answer_on_another_devices_reply_topic_is_refused(processor: BatchProcessor, meter: Device) -> None:
    result = {"switch:0": {"apower": 5.0}, "sys": {"unixtime": int(NOW.timestamp())}}
    answer = {"id": 1, "src": ID, "dst": "x", "result": result}
    await processor.process([message(f"{RPC_REPLIES}/ingest-1/shellyplus1pm-ffffffffffff/rpc", answer)])
    assert (await rows(), processor.drops.total) == ([], 1)
    await processor.process([message(f"{RPC_REPLIES}/ingest-1/{ID}/rpc", answer)])
    assert await rows() == [(0, 5, None, None)]


async def test_real_frames_go_through(processor: BatchProcessor, home: Home) -> None:
    for mac in ("543204a16f86", "3ce90e933d1d", "80646ff5d632", "348518139687"):
        await Device.objects.acreate(home=home, hardware_id=mac, name=mac)
    found = [orjson.loads(path.read_bytes()) for path in sorted(FRAMES.glob("*.json"))]
    await processor.process([message(one["topic"], one["payload"]) for one in found if "topic" in one])
    stored = await sync_to_async(lambda: set(Reading.objects.values_list("power_w", "energy_wh")))()
    assert stored == {(11.5, None), (0.0, 30473.355)}


def test_a_device_that_sends_rubbish_is_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    drops = DropLog()
    for _ in range(50):
        drops.add("a", "no JSON")
    drops.flush()
    assert len(caplog.messages) == 1
    now[0] += 61
    drops.flush()
    assert len(caplog.messages) == 2
    assert "49" in caplog.messages[1]
    now[0] += 61
    drops.flush()
    drops.add("a", "no JSON")
    assert len(caplog.messages) == 3


def test_the_dropped_of_very_many_devices_share_a_line(caplog: pytest.LogCaptureFixture) -> None:
    drops = DropLog()
    for number in range(1_500):
        drops.add(str(number), "no JSON")
    assert len(caplog.messages) == 1_001


def told() -> UnprovenDevice | None:
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        return seen_among(client, [MAC], now=time.time()).get(MAC)


async def told_when(is_there: Callable[[UnprovenDevice], bool]) -> UnprovenDevice:
    for _ in range(500):
        seen = await sync_to_async(told)()
        if seen is not None and is_there(seen):
            return seen
        await asyncio.sleep(0.02)
    pytest.fail("nothing was remembered")


@pytest.fixture
def _nothing_told(meter: Device) -> None:
    """A claimed device of which nothing is proven or remembered."""
    Device.objects.update(proven_at=None)
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.delete(UNPROVEN, FACTS)


@pytest.mark.usefixtures("_nothing_told")
async def test_what_an_unproven_device_says_over_mqtt_is_kept_for_its_proof(
    processor: BatchProcessor, settings: Settings
) -> None:
    await processor.process([notify(-5, apower=40.0, output=True)])
    seen = await told_when(lambda one: one.is_on is True)
    assert (seen.places, seen.has_account, seen.is_claimed, seen.switched_at) == (("broker",), False, True, ())
    settings.MQTT_DEVICE_ACCOUNTS = True
    await processor.process([notify(-3, apower=0.0, output=False)])
    seen = await told_when(lambda one: one.is_on is False)
    assert (seen.has_account, len(seen.switched_at)) == (True, 1)


@pytest.mark.usefixtures("_nothing_told")
async def test_below_a_prefix_of_its_owners_own_a_device_shows_no_account(processor: BatchProcessor, settings: Settings) -> None:
    settings.MQTT_DEVICE_ACCOUNTS = True
    await processor.process([notify(-5, prefix="cocina", apower=40.0, output=True)])
    assert not (await told_when(lambda one: one.is_on is True)).has_account


async def test_a_relay_s_change_makes_no_reading_and_is_seen_live_and_written_down(
    processor: BatchProcessor, meter: Device
) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)

    def said(seconds: int, **fields: Any) -> Message:
        return notify(seconds + (at - NOW).total_seconds(), **fields)

    hub = LiveHub()
    async with hub.watch(meter.pk) as live:
        await processor.process([said(0, output=True)])  # nothing is known of its power, so nothing can be shown
        await processor.process([said(1, apower=60.0, output=True)])
        await processor.process([said(2, output=False), said(3, apower=0.0)])
        await processor.process([said(4, output=True)])
        frames = [orjson.loads(str(await asyncio.wait_for(live.get(), 20)))["channels"][0] for _ in range(4)]
    await hub.close()
    assert [(one["watts"], one["output"]) for one in frames] == [(60.0, True), (60.0, False), (0.0, False), (0.0, True)]
    assert [power for _at, power, *_ in await rows()] == [60.0, 0.0]
    written = RelayState.objects.filter(device=meter, channel=0, is_on=True, since=at + timedelta(seconds=4))
    for _ in range(1_000):
        if await written.aexists():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it was not written down")


async def test_two_facts_of_one_moment_keep_what_is_said_of_the_relay(processor: BatchProcessor, meter: Device) -> None:
    batch = await processor.merge([notify(-4, apower=90.0), notify(-4, output=False), notify(-4, aenergy={"total": 101.0})])
    assert [(one.power_w, one.energy_wh, one.output) for one in batch[MAC].samples.values()] == [(90.0, 101.0, False)]
    batch = await processor.merge([notify(-3, output=True), notify(-3, apower=80.0)])
    assert [(one.power_w, one.output) for one in batch[MAC].samples.values()] == [(80.0, True)]


async def test_the_channels_of_separate_notifications_are_summed_in_live_frames(processor: BatchProcessor, meter: Device) -> None:
    seconds = itertools.count(int(datetime.now(UTC).timestamp()) - 5)

    def said(number: int, power: float, current: float) -> Message:
        params = {
            "ts": next(seconds),
            f"switch:{number}": {"apower": power, "voltage": 127.0, "current": current},
        }
        return message(f"{ID}/events/rpc", {"src": ID, "method": "NotifyStatus", "params": params})

    hub = LiveHub()
    async with hub.watch(meter.pk) as live:
        await processor.process([said(0, 60.0, 0.5)])
        await processor.process([said(1, 40.0, 0.25)])
        await processor.process([said(0, 10.0, 0.125), said(1, 20.0, 0.25)])
        frames = [orjson.loads(str(await asyncio.wait_for(live.get(), 20))) for _ in range(4)]
    await hub.close()
    assert [(one["watts"], one["amps"]) for one in frames] == [(60.0, 0.5), (100.0, 0.75), (50.0, 0.375), (30.0, 0.375)]
    assert [len(one["channels"]) for one in frames] == [1, 2, 2, 2]


@pytest.mark.parametrize("has_accounts", [False, True])
async def test_an_account_of_its_own_speaks_for_a_device_that_requires_its_key(
    processor: BatchProcessor, meter: Device, settings: Settings, has_accounts: bool
) -> None:
    settings.MQTT_DEVICE_ACCOUNTS = has_accounts
    await Device.objects.filter(pk=meter.pk).aupdate(requires_key=True)
    await processor.process([full(-5, 60.0, 100.0)])
    assert await Reading.objects.acount() == (1 if has_accounts else 0)
