"""Two meters, one after the other, in one place: each counts what it counted, and nothing is known of what lies between."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async

from devices.models import Device, Replacement
from devices.services import device_replace
from telemetry.ingest.writer import writer
from telemetry.models import FiveMinutes, Hour, Reading
from telemetry.rollup import run as rollups
from telemetry.services import readings_store, rollup_rebuild
from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.samples import Sample
from telemetry.tests.conftest import close_ingest

MINUTE = timedelta(minutes=1)
OLD, NEW = "a8032412c3d4", "34987ae4d353"


def said(at: datetime, counter: float) -> Sample:
    return Sample(0, at, 120.0, 127.0, 1.0, counter, 0.0, Kind.SWITCH)


def store(meter: Device, start: datetime, counter: float, minutes: int, step: float = 2.0) -> None:
    readings_store((meter.pk, said(start + number * MINUTE, counter + step * number)) for number in range(minutes))


def replaced(meter: Device, at: datetime) -> None:
    device_replace(device=meter, hardware_id=NEW)
    Replacement.objects.update(at=at)


def used() -> float:
    rollups.rollup()
    in_hours = sum(bucket.measured_wh + bucket.recovered_wh for bucket in Hour.objects.all())
    assert in_hours == pytest.approx(sum(bucket.measured_wh + bucket.recovered_wh for bucket in FiveMinutes.objects.all()))
    return in_hours


@pytest.fixture
def start() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)


@pytest.mark.django_db
@pytest.mark.parametrize(("first", "second"), [(500_000.0, 3.0), (10.0, 900_000.0), (1_000.0, 1_040.0), (1_000.0, 0.0)])
def test_each_meter_counts_its_own_and_nothing_in_between(meter: Device, start: datetime, first: float, second: float) -> None:
    store(meter, start, first, 31)
    rollups.rollup()
    replaced(meter, start + 40 * MINUTE)
    store(meter, start + 45 * MINUTE, second, 31)
    assert used() == pytest.approx(60 + 60)
    assert min(bucket.measured_wh for bucket in FiveMinutes.objects.all()) >= 0
    assert max(bucket.measured_wh + bucket.recovered_wh for bucket in FiveMinutes.objects.all()) <= 10 + 1e-6
    between = FiveMinutes.objects.filter(start__gte=start + 36 * MINUTE, start__lt=start + 40 * MINUTE)
    assert not between.exists()  # unknown, not zero
    rollup_rebuild()
    assert used() == pytest.approx(60 + 60)


@pytest.mark.django_db
def test_it_holds_for_each_of_several_replacements(meter: Device, start: datetime) -> None:
    for number, counter in enumerate((400_000.0, 20.0, 80_000.0)):
        begins = start + number * 40 * MINUTE
        if number:
            device_replace(device=meter, hardware_id=f"34987ae4d35{number}")
            Replacement.objects.filter(new_hardware_id=f"34987ae4d35{number}").update(at=begins - 5 * MINUTE)
        store(meter, begins, counter, 31)
        assert used() == pytest.approx(60 * (number + 1))


@pytest.mark.django_db
def test_readings_of_the_old_meter_that_come_late_count_where_they_were(meter: Device, start: datetime) -> None:
    store(meter, start, 500_000.0, 11)
    replaced(meter, start + 40 * MINUTE)
    store(meter, start + 45 * MINUTE, 3.0, 31)
    rollups.rollup()
    store(meter, start + 11 * MINUTE, 500_022.0, 20)  # on their way into the database when it was replaced
    # Its clock was ahead, and the new one's first words are as early.
    readings_store([(meter.pk, said(start + 40.5 * MINUTE, 500_080.0)), (meter.pk, said(start + 41 * MINUTE, 2.5))])
    assert used() == pytest.approx(60 + 60)


@pytest.mark.django_db
def test_a_meter_without_counters_is_integrated_on_each_side_alone(meter: Device, start: datetime) -> None:
    bare = [Sample(0, start + timedelta(seconds=20 * number), 600.0, 127.0, 1.0, None, None) for number in range(31)]
    readings_store((meter.pk, one) for one in bare)
    replaced(meter, start + 5 * MINUTE)
    assert used() == pytest.approx(600 / 60 * (10 - 1.5), abs=600 / 60 * 0.7)


@pytest.fixture
async def _writer() -> AsyncIterator[None]:
    yield
    await close_ingest()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_writer")
async def test_the_ways_in_go_on_with_the_new_hardware_alone(meter: Device) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    assert (await writer().store({OLD: [said(now - 10 * MINUTE, 500_000.0)]}))[OLD].is_stored
    await sync_to_async(device_replace)(device=meter, hardware_id=NEW)
    outcomes = await writer().store(
        {
            NEW: [said(now - 5 * MINUTE, 7.0), said(now + MINUTE, 8.0)],  # the first one where it was before
        }
    )
    assert (outcomes[NEW].is_stored, outcomes[NEW].device.device_id if outcomes[NEW].device else None) == (True, meter.pk)
    assert [one.energy_wh async for one in Reading.objects.order_by("time")] == [500_000.0, 8.0]
    for _try in range(100):
        outcome = (await writer().store({OLD: [said(now - 9 * MINUTE, 500_001.0)]}))[OLD]
        if outcome.device is None:
            break
    assert outcome.device is None
