"""What relays were found to be, on the real Redis and database; time is passed in."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connections

from devices.control import relays
from devices.control.relays import TURNED_OFF, TURNED_ON, Output, Relay, note_relays, relay_outputs
from devices.models import Device, RelayState

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
async def store() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        await client.delete(TURNED_ON, TURNED_OFF)
        yield client
        await client.delete(TURNED_ON, TURNED_OFF)
    await sync_to_async(connections.close_all)()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[relays.Outputs]:
    """What the database was told."""
    told: list[relays.Outputs] = []
    change = relays.relays_change

    def noted(outputs: relays.Outputs) -> relays.Outputs:
        told.append(outputs)
        return change(outputs)

    monkeypatch.setattr(relays, "relays_change", noted)
    return told


async def said(store: redis.asyncio.Redis, device: Device, seconds: float, *, is_on: bool, channel: int = 0) -> None:
    await note_relays(store, {Relay(device.pk, channel): Output(is_on, START + timedelta(seconds=seconds))})


@sync_to_async
def rows() -> list[tuple[int, bool, float]]:
    """Channel, whether it is on, and since when, in seconds."""
    return [(one.channel, one.is_on, (one.since - START).total_seconds()) for one in RelayState.objects.all()]


async def test_only_a_change_is_written(store: redis.asyncio.Redis, meter: Device, written: list[relays.Outputs]) -> None:
    for seconds, is_on in ((0, True), (10, True), (20, False), (30, False), (40, True), (50, True)):
        await said(store, meter, seconds, is_on=is_on)
    assert len(written) == 3
    assert await rows() == [(0, True, 40)]
    assert await sync_to_async(relay_outputs)(meter.pk) == {0: True}


async def test_each_channel_is_by_itself_and_a_device_that_is_gone_stops_no_other(
    store: redis.asyncio.Redis, meter: Device
) -> None:
    at = Output(is_on=True, at=START)
    await note_relays(store, {Relay(meter.pk + 1, 0): at, Relay(meter.pk, 0): at, Relay(meter.pk, 1): at._replace(is_on=False)})
    assert await rows() == [(0, True, 0), (1, False, 0)]


async def test_what_comes_late_changes_nothing(store: redis.asyncio.Redis, meter: Device) -> None:
    await said(store, meter, 20, is_on=False)
    await said(store, meter, 10, is_on=True)
    assert await rows() == [(0, False, 20)]
    await store.delete(TURNED_ON, TURNED_OFF)
    await said(store, meter, 11, is_on=True)
    assert await rows() == [(0, False, 20)]
    await said(store, meter, 30, is_on=True)
    assert await rows() == [(0, True, 30)]


async def test_since_when_stays_where_redis_forgets(store: redis.asyncio.Redis, meter: Device) -> None:
    await said(store, meter, 0, is_on=True)
    await store.delete(TURNED_ON, TURNED_OFF)
    await said(store, meter, 10, is_on=True)
    assert await rows() == [(0, True, 0)]
    await said(store, meter, 20, is_on=False)
    assert await rows() == [(0, False, 20)]


async def test_what_the_database_did_not_take_is_written_by_the_next_message(
    store: redis.asyncio.Redis, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = relays.CHANGE
    monkeypatch.setattr(relays, "CHANGE", "SELECT 1 / 0, %s, %s, %s, %s")
    with pytest.raises(DatabaseError):
        await said(store, meter, 0, is_on=True)
    monkeypatch.setattr(relays, "CHANGE", statement)
    await said(store, meter, 60, is_on=True)
    assert await rows() == [(0, True, 60)]
