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
from redis.asyncio import Redis

from accounts.models import Home
from common.testing import await_true
from devices.discovery import FACTS, UNPROVEN, UnprovenDevice, seen_among
from devices.models import Device
from devices.presence.status_requests import PREFIX_OF
from telemetry.constants import RPC_REPLIES
from telemetry.ingest import writer as writing
from telemetry.ingest.copy import database_conninfo
from telemetry.live.hub import LiveHub
from telemetry.models import Reading
from telemetry.mqtt.batches import Intake, Message
from telemetry.mqtt.device_state import PREFIXES, STATUS
from telemetry.mqtt.drop_log import Complaints
from telemetry.mqtt.store_with_retry import store_patiently
from telemetry.shelly.samples import Sample
from telemetry.tests.conftest import close_ingest

pytestmark = pytest.mark.django_db(transaction=True)
MAC = "a8032412c3d4"
ID = f"shellyplus1pm-{MAC}"
FRAMES = Path(__file__).parent.parent / "shelly" / "frames"
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


async def started(url: str) -> AsyncIterator[Intake]:
    store = Redis.from_url(url)
    yield Intake(store)
    await store.aclose()
    await close_ingest()


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    async for one in started(django_settings.REDIS_URL):
        yield one


@pytest.fixture
async def lonely_intake() -> AsyncIterator[Intake]:
    """An intake whose Redis is away."""
    async for one in started(NOBODY_LISTENS):
        yield one


NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def message(topic: str, body: object, at: datetime | None = None) -> Message:
    return Message(topic, orjson.dumps(body), (at or datetime.now(UTC)).timestamp())


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


async def test_a_change_is_laid_over_what_another_process_was_told(intake: Intake, meter: Device) -> None:
    await intake.take([full(-5, 60.0, 100.0)])
    other = Intake(intake._memory._store)
    await other.take([notify(-4, apower=90.0), notify(-3, aenergy={"total": 100.5})])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, None), (-3, 90, 127, 100.5)]


async def test_a_change_is_laid_over_what_is_still_being_stored(intake: Intake, meter: Device) -> None:
    first = await intake.lay([full(-5, 60.0, 100.0)])
    second = await intake.lay([notify(-4, apower=90.0)])
    await intake.commit(first)
    third = await intake.lay([notify(-3, aenergy={"total": 100.5})])
    await intake.commit(second)
    await intake.commit(third)
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, None), (-3, 90, 127, 100.5)]


async def test_what_another_process_heard_since_the_last_batch_counts(intake: Intake, meter: Device) -> None:
    await intake.take([full(-5, 60.0, 100.0)])
    await Intake(intake._memory._store).take([notify(-4, voltage=125.0)])
    await intake.take([notify(-3, apower=90.0)])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 60, 125, None), (-3, 90, 125, None)]


async def test_the_same_fact_on_two_topics_is_one_reading(intake: Intake, meter: Device) -> None:
    await intake.take([full(-5, 60.0, 100.0)])
    status = {"id": 0, "output": True, "apower": 90.0, "voltage": 127.0, "current": 0.5, "aenergy": {"total": 100.0}}
    await intake.take([notify(-4, apower=90.0), message(f"{ID}/status/switch:0", status)])
    assert len(await rows()) == 2


async def test_a_batch_that_comes_again_changes_nothing(intake: Intake, meter: Device) -> None:
    batch = [full(-5, 60.0, 100.0), notify(-4, apower=90.0), notify(-3, apower=70.0, voltage=126.0)]
    await intake.take(batch)
    stored = await rows()
    await intake.take(batch)
    await intake.take(batch[:2])
    assert await rows() == stored
    await intake.take([notify(-2, current=0.7)])
    assert (await rows())[-1] == (-2, 70, 126, None)


async def test_a_process_that_remembers_nothing_does_not_take_returned_energy_for_used(intake: Intake, meter: Device) -> None:
    await intake.take([full(-5, 60.0, 100.0, ret_aenergy={"total": 40.0})])
    await writing.writer().close()
    await intake._memory._store.delete(STATUS + MAC)
    await Intake(intake._memory._store).take([notify(-4, apower=60.0, aenergy={"total": 101.0})])
    assert await rows() == [(-5, 60, 127, 60.0), (-4, 60, None, None)]


async def test_two_facts_of_one_moment_are_one_reading_with_both(intake: Intake, meter: Device) -> None:
    await intake.take([full(-5, 60.0, 100.0), notify(-4, aenergy={"total": 101.0}), notify(-4, apower=90.0)])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, 101.0)]


async def test_bad_messages_stop_no_other(intake: Intake, meter: Device) -> None:
    bad = [
        Message(f"{ID}/events/rpc", b"\xff\x00 no json", 0.0),
        Message("", b"", 0.0),
        message(f"{ID}/events/rpc", {"method": "NotifyStatus"}),
        notify(-6, apower=1e9),
        notify(-6, apower="much"),
        message(f"{ID}/status/switch:0", [1]),
    ]
    await intake.take([*bad[:3], full(-5, 60.0, 100.0), *bad[3:]])
    assert await rows() == [(-5, 60, 127, 100.0)]
    assert intake.tally.counts["dropped"] == len(bad)


async def test_a_value_that_the_database_refuses_costs_no_other_device(intake: Intake, meter: Device, home: Home) -> None:
    await Device.objects.acreate(home=home, hardware_id="b8032412c3d4", name="Sala")
    readings = [(mac, [Sample(0, NOW, 5.0, None, current, None, None)]) for mac, current in ((MAC, 1e200), ("b8032412c3d4", 0.1))]
    outcomes = await store_patiently(readings, intake.tally)
    assert list(outcomes) == ["b8032412c3d4"]
    assert (len(await rows()), intake.tally.counts["dropped"]) == (1, 1)


async def test_unknown_and_inactive_devices_leave_nothing(intake: Intake, meter: Device) -> None:
    meter.is_active = False
    await meter.asave()
    name = "shellyplus1pm-ffffffffffff"
    stranger = notify(-5, source=name, prefix=name, apower=5.0)
    await intake.take([full(-5, 60.0, 100.0), stranger])
    assert await rows() == []
    assert await intake._memory._store.exists(STATUS + MAC, STATUS + "ffffffffffff") == 0
    assert (intake.tally.counts["of inactive devices"], intake.tally.counts["of unknown devices"]) == (1, 1)


async def test_a_topic_without_a_device_is_known_by_the_prefix_learnt_from_frames(intake: Intake, meter: Device) -> None:
    await intake.take([notify(-5, prefix="shelly-garage", apower=60.0)])
    other = Intake(intake._memory._store)
    now = datetime.now(UTC).replace(microsecond=0)
    for seconds in (0, 100):  # the first one might go beside a frame
        at = now + timedelta(seconds=seconds)
        await other.take([message("shelly-garage/status/switch:0", {"apower": 80.0, "voltage": 127.0}, at)])
    assert await rows() == [(-5, 60, None, None), ((at - NOW).total_seconds(), 80, 127, None)]


def answer(prefix: str, source: str = ID, power: float = 5.0) -> Message:
    result = {"switch:0": {"apower": power}, "sys": {"unixtime": int(NOW.timestamp())}}
    return message(f"{RPC_REPLIES}/ingest-1/{prefix}/rpc", {"id": 1, "src": source, "dst": "x", "result": result})


async def test_a_prefix_set_on_the_device_counts_once_its_device_has_answered_there(
    intake: Intake, home: Home, meter: Device
) -> None:
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="casa/garage")
    for number in range(2):
        await Device.objects.acreate(home=home, hardware_id=f"b8032412c3d{number}", name="Otro", mqtt_prefix="otros")
    body = {"apower": 80.0, "voltage": 127.0}
    said = [message(f"{prefix}/status/switch:0", body) for prefix in ("casa/garage", "otros", "shellyplus1pm")]
    await intake.take(said)
    assert (await rows(), intake.tally.counts["of unknown prefix"]) == ([], 3)
    assert (intake.take_unproved(), intake.take_unproved()) == ({"casa/garage"}, set())
    await intake.take([answer("casa/garage")])
    await intake.take(said[:1])
    assert [power for _at, power, *_ in await rows()] == [5, 80]


async def test_who_listens_under_a_typed_prefix_gets_its_own_readings_alone(intake: Intake, home: Home, meter: Device) -> None:
    """A neighbour's prefix, typed on one's own device, brings nothing of the neighbour."""
    await Device.objects.filter(pk=meter.pk).aupdate(mqtt_prefix="vecino")
    await intake.take([message("vecino/status/switch:0", {"apower": 80.0})])
    await intake.take([answer("vecino", "shellyplus1pm-ffffffffffff")])
    await intake.take([message("vecino/status/switch:0", {"apower": 90.0})])
    assert await rows() == []


async def test_another_account_can_not_speak_for_a_device_that_is_heard(intake: Intake, meter: Device) -> None:
    await intake.take([notify(-9, prefix="casa/garage", apower=60.0)])
    forged = [
        notify(-8, prefix="malo", apower=7_000.0),
        message("malo/status/switch:0", {"apower": 7_000.0}),
        message("malo/events/rpc", {"id": 1, "src": ID, "result": {"switch:0": {"apower": 7_000.0}, "sys": {}}}),
        Message("malo/online", b"false", datetime.now(UTC).timestamp()),
    ]
    for one in forged:
        await intake.take([one])
    other = Intake(intake._memory._store)
    await other.take(forged)
    await other.take([notify(-7, prefix="casa/garage", apower=61.0)])
    assert [power for _at, power, *_ in await rows()] == [60, 61]
    assert await intake._memory._store.hget(PREFIX_OF, MAC) == b"casa/garage"
    assert await intake._memory._store.hget(PREFIXES, "malo") is None


async def test_a_prefix_that_names_the_mac_is_always_the_devices(intake: Intake, meter: Device) -> None:
    await intake.take([notify(-9, prefix="malo", apower=7_000.0)])
    await intake.take([notify(-8, apower=60.0)])
    await intake.take([notify(-7, prefix="malo", apower=7_000.0)])
    assert [power for _at, power, *_ in await rows()] == [7_000, 60]


async def test_a_prefix_of_another_device_is_not_taught_anew(intake: Intake, home: Home, meter: Device) -> None:
    await Device.objects.acreate(home=home, hardware_id="b8032412c3d4", name="Sala")
    await intake.take([notify(-9, prefix="casa/garage", apower=60.0)])
    await intake.take([notify(-8, prefix="casa/garage", source="shellyplus1pm-b8032412c3d4", apower=70.0)])
    assert await intake._memory._store.hget(PREFIXES, "casa/garage") == MAC.encode()


async def test_an_owner_may_set_another_prefix(intake: Intake, meter: Device) -> None:
    at = datetime.now(UTC)
    await intake.take([notify(-9, prefix="garage", apower=60.0)._replace(at=at.timestamp() - 700)])
    await intake.take([notify(-8, prefix="taller", apower=61.0)])
    await intake.take([notify(-7, prefix="taller", apower=62.0)])
    assert [power for _at, power, *_ in await rows()] == [60, 61, 62]


async def test_a_prefix_taught_in_the_same_batch_is_known(intake: Intake, meter: Device) -> None:
    await intake.take([message("x/online", b"true".decode()), notify(-5, prefix="x", apower=127.0)])
    assert intake.tally.counts["of unknown prefix"] == 0


async def test_readings_are_stored_while_redis_is_away(lonely_intake: Intake, meter: Device) -> None:
    await lonely_intake.take([full(-5, 60.0, 100.0)])
    await lonely_intake.take([notify(-4, apower=90.0)])
    assert await rows() == [(-5, 60, 127, 100.0), (-4, 90, 127, None)]


async def test_what_was_seen_without_redis_is_brought_to_it(intake: Intake, lonely_intake: Intake, meter: Device) -> None:
    await intake.take([full(-5, 60.0, 100.0)])
    intake._memory._away_until = float("inf")  # as if it had failed just now
    await intake.take([notify(-4, voltage=125.0)])
    intake._memory._away_until = 0.0
    await intake.take([notify(-3, apower=90.0)])
    await Intake(intake._memory._store).take([notify(-2, current=0.9)])
    assert (await rows())[-1] == (-2, 90, 125, None)


async def test_a_batch_waits_for_the_database(intake: Intake, meter: Device) -> None:
    async with await psycopg.AsyncConnection.connect(database_conninfo(), autocommit=True) as admin:
        await admin.execute("ALTER TABLE telemetry_reading RENAME TO telemetry_reading_gone")
        try:
            taking = asyncio.create_task(intake.take([full(-5, 60.0, 100.0)]))
            await sync_to_async(await_true)("it is tried again", lambda: intake.tally.counts["retries"])
            assert not taking.done()
        finally:
            await admin.execute("ALTER TABLE telemetry_reading_gone RENAME TO telemetry_reading")
    await asyncio.wait_for(taking, 10)
    assert await rows() == [(-5, 60, 127, 100.0)]


async def test_a_clock_that_is_far_off_is_not_believed(intake: Intake, meter: Device) -> None:
    at = datetime.now(UTC)
    params = {"ts": 1_000_000_000.0, "switch:0": {"apower": 5.0}}
    await intake.take([message(f"{ID}/events/rpc", {"src": ID, "method": "NotifyStatus", "params": params}, at)])
    ((seconds, *_),) = await rows()
    assert seconds == pytest.approx((at - NOW).total_seconds(), abs=0.01)


async def test_an_answer_on_another_devices_reply_topic_is_refused(intake: Intake, meter: Device) -> None:
    result = {"switch:0": {"apower": 5.0}, "sys": {"unixtime": int(NOW.timestamp())}}
    answer = {"id": 1, "src": ID, "dst": "x", "result": result}
    await intake.take([message(f"{RPC_REPLIES}/ingest-1/shellyplus1pm-ffffffffffff/rpc", answer)])
    assert (await rows(), intake.tally.counts["dropped"]) == ([], 1)
    await intake.take([message(f"{RPC_REPLIES}/ingest-1/{ID}/rpc", answer)])
    assert await rows() == [(0, 5, None, None)]


async def test_real_frames_go_through(intake: Intake, home: Home) -> None:
    for mac in ("543204a16f86", "3ce90e933d1d", "80646ff5d632", "348518139687"):
        await Device.objects.acreate(home=home, hardware_id=mac, name=mac)
    found = [orjson.loads(path.read_bytes()) for path in sorted(FRAMES.glob("*.json"))]
    await intake.take([message(one["topic"], one["payload"]) for one in found if "topic" in one])
    stored = await sync_to_async(lambda: set(Reading.objects.values_list("power_w", "energy_wh")))()
    assert stored == {(11.5, None), (0.0, 30473.355)}


def test_a_device_that_sends_rubbish_is_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    complaints = Complaints()
    for _ in range(50):
        complaints.note("a", "no JSON")
    complaints.tell()
    assert len(caplog.messages) == 1
    now[0] += 61
    complaints.tell()
    assert len(caplog.messages) == 2
    assert "49" in caplog.messages[1]
    now[0] += 61
    complaints.tell()
    complaints.note("a", "no JSON")
    assert len(caplog.messages) == 3


def test_the_dropped_of_very_many_devices_share_a_line() -> None:
    complaints = Complaints()
    for number in range(1_500):
        complaints.note(str(number), "no JSON")
    assert len(complaints._counts) == 1_001


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
async def test_what_an_unproven_device_says_over_mqtt_is_kept_for_its_proof(intake: Intake, settings: Settings) -> None:
    await intake.take([notify(-5, apower=40.0, output=True)])
    seen = await told_when(lambda one: one.is_on is True)
    assert (seen.places, seen.has_account, seen.is_claimed, seen.switched_at) == (("broker",), False, True, ())
    settings.MQTT_DEVICE_ACCOUNTS = True
    await intake.take([notify(-3, apower=0.0, output=False)])
    seen = await told_when(lambda one: one.is_on is False)
    assert (seen.has_account, len(seen.switched_at)) == (True, 1)


@pytest.mark.usefixtures("_nothing_told")
async def test_below_a_prefix_of_its_owners_own_a_device_shows_no_account(intake: Intake, settings: Settings) -> None:
    settings.MQTT_DEVICE_ACCOUNTS = True
    await intake.take([notify(-5, prefix="cocina", apower=40.0, output=True)])
    assert not (await told_when(lambda one: one.is_on is True)).has_account


async def test_the_channels_of_separate_notifications_are_summed_in_live_frames(intake: Intake, meter: Device) -> None:
    seconds = itertools.count(int(datetime.now(UTC).timestamp()) - 5)

    def said(number: int, power: float, current: float) -> Message:
        params = {
            "ts": next(seconds),
            f"switch:{number}": {"apower": power, "voltage": 127.0, "current": current},
        }
        return message(f"{ID}/events/rpc", {"src": ID, "method": "NotifyStatus", "params": params})

    hub = LiveHub()
    async with hub.watch(meter.pk) as live:
        await intake.take([said(0, 60.0, 0.5)])
        await intake.take([said(1, 40.0, 0.25)])
        await intake.take([said(0, 10.0, 0.125), said(1, 20.0, 0.25)])
        frames = [orjson.loads(str(await asyncio.wait_for(live.get(), 20))) for _ in range(4)]
    await hub.close()
    assert [(one["watts"], one["amps"]) for one in frames] == [(60.0, 0.5), (100.0, 0.75), (50.0, 0.375), (30.0, 0.375)]
    assert [len(one["channels"]) for one in frames] == [1, 2, 2, 2]
