"""A counter dated before known ones counts only between its neighbours."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async

from devices.models import Device
from telemetry.ingest.writer import writer
from telemetry.models import FiveMinutes, Reading
from telemetry.rollup import run as rollups
from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.samples import Sample
from telemetry.tests.conftest import close_ingest

pytestmark = pytest.mark.django_db(transaction=True)
MAC = "a8032412c3d4"
Store = Callable[..., Awaitable[None]]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """Store what a device says of minutes and its two counters, a commit for each."""

    async def say(start: datetime, *said: tuple[float, float] | tuple[float, float, float]) -> None:
        for minutes, both, *returned in said:
            time, back = start + timedelta(minutes=minutes), returned[0] if returned else 0.0
            one = Sample(0, time, 120.0, 127.0, 1.0, both - back, back, Kind.SWITCH)
            outcome = (await writer().store({MAC: [one]}))[MAC]
            assert (outcome.is_stored, outcome.is_partial) == (True, False)

    yield say
    await close_ingest()


@pytest.fixture
def start() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def used() -> float:
    rollups.rollup()
    return sum(bucket.measured_wh + bucket.recovered_wh for bucket in FiveMinutes.objects.all())


def counters() -> list[float | None]:
    return list(Reading.objects.order_by("time").values_list("energy_wh", flat=True))


HONEST = [(10.0 + minute, 500_000.0 + 2 * minute) for minute in range(40)]


async def test_counters_dated_earlier_change_nothing_of_what_was_used(store: Store, meter: Device, start: datetime) -> None:
    await store(start, *HONEST)
    honest = await sync_to_async(used)()
    assert honest == pytest.approx(78.0)
    await store(start, *[(minute + 0.5, counter * 1.04) for minute, counter in HONEST[:-1]])
    await store(start, *[(minute + 0.25, counter * 0.96) for minute, counter in HONEST[:-1]])
    await store(start, *[(minute + 0.75, minute) for minute, _counter in HONEST[:-1]])
    assert await sync_to_async(used)() == pytest.approx(honest)
    assert min([bucket.measured_wh async for bucket in FiveMinutes.objects.all()]) >= -5


async def test_many_counters_dated_before_the_first_one_add_nothing(store: Store, meter: Device, start: datetime) -> None:
    await store(start, *HONEST)
    await store(start, (0, 0.0), (2, 520_000.0), (4, 520_100.0), (6, 3.0), (8, 499_000.0))
    assert await sync_to_async(used)() == pytest.approx(78.0)
    assert (await sync_to_async(counters)())[:5] == [None] * 5


async def test_a_late_counter_between_its_neighbours_says_when_the_energy_flowed(
    store: Store, meter: Device, start: datetime
) -> None:
    await store(start, (0, 1_000.0), (60, 1_300.0), (20, 1_290.0), (40, 1_295.0), (50, 1_294.0))
    assert await sync_to_async(used)() == pytest.approx(300.0)
    assert await sync_to_async(counters)() == [1_000.0, 1_290.0, 1_295.0, 1_294.0, 1_300.0]
    first = [bucket.recovered_wh async for bucket in FiveMinutes.objects.order_by("start")][:4]
    assert sum(first) > 200


async def test_a_backlog_with_a_restart_in_it_counts_although_it_comes_late(store: Store, meter: Device, start: datetime) -> None:
    await store(start, (0, 1_000.0), (60, 80.0))
    await store(start, (10, 1_050.0), (20, 1_100.0), (30, 5.0), (40, 30.0))
    assert await sync_to_async(used)() == pytest.approx(100.0 + 80.0)
    assert None not in await sync_to_async(counters)()


async def test_late_counters_of_one_message_after_the_other_are_taken_as_they_come(
    store: Store, meter: Device, start: datetime
) -> None:
    await store(start, *HONEST)
    assert None not in await sync_to_async(counters)()
    assert await sync_to_async(used)() == pytest.approx(78.0)


async def test_returned_energy_has_its_own_neighbours(store: Store, meter: Device, start: datetime) -> None:
    await store(start, (0, 1_500.0, 500.0), (10, 1_600.0, 520.0), (5, 1_550.0, 510.0), (6, 1_560.0, 900.0))
    assert await sync_to_async(used)() == pytest.approx(80.0)
    assert await sync_to_async(counters)() == [1_000.0, 1_040.0, None, 1_080.0]
