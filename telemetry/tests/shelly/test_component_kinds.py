"""Another kind of component on the same channel is another counter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from devices.models import Device
from devices.shelly_models import MAX_CHANNEL
from telemetry.models import FiveMinutes, Hour, Reading, Series
from telemetry.rollup import run as rollups
from telemetry.selectors import last_readings
from telemetry.services import readings_store, rollup_rebuild
from telemetry.shelly.component_kinds import CHANNELS, Kind
from telemetry.shelly.samples import Sample
from telemetry.shelly.status import RANK

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/ingest/shelly"
MAC = "A8032412C3D4"


def body(component: str, time: datetime, counter_wh: float, power_w: float = 100.0) -> dict[str, Any]:
    fields = {"apower": power_w, "voltage": 127.0, "current": 1.0, "aenergy": {"total": counter_wh}}
    return {component: fields, "sys": {"mac": MAC, "unixtime": time.timestamp()}}


def sample(time: datetime, counter_wh: float | None, kind: Kind, power_w: float = 100.0) -> Sample:
    return Sample(0, time, power_w, 127.0, 1.0, counter_wh, None, kind)


def total(model: type[FiveMinutes] | type[Hour] = FiveMinutes) -> float:
    return sum(bucket.measured_wh + bucket.recovered_wh for bucket in model.objects.all())


def buckets() -> list[tuple[object, ...]]:
    rows = [*FiveMinutes.objects.order_by("start").values_list(), *Hour.objects.order_by("start").values_list()]
    return [tuple(round(value, 6) if isinstance(value, float) else value for value in row) for row in rows]


def test_every_kind_that_is_read_has_a_number_and_no_channel_reaches_the_first_of_another() -> None:
    assert {kind.name.lower() for kind in Kind if kind} == set(RANK)
    assert MAX_CHANNEL < CHANNELS


async def test_a_change_of_profile_counts_nothing_from_one_counter_to_the_other(shelly: httpx.AsyncClient, meter: Device) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    said = [
        *(("switch:0", second, 5_000 + second / 10) for second in range(0, 60, 10)),
        *(("cover:0", second, 20 + second / 20) for second in range(90, 180, 10)),
        *(("switch:0", second, 5_006 + second / 10 - 18) for second in range(180, 240, 10)),
    ]
    for component, second, counter in said:
        answer = await shelly.post(PATH, json=body(component, start + timedelta(seconds=second), counter))
        assert answer.status_code == 200
    await sync_to_async(rollups.rollup)()
    assert await sync_to_async(total)() == pytest.approx(5 + 4 + (5.5 + 5_006 + 18 - 18 - 5_005 - 0.5))
    assert await sync_to_async(total)(Hour) == pytest.approx(await sync_to_async(total)())


async def test_the_newest_reading_of_a_channel_is_of_whichever_kind(shelly: httpx.AsyncClient, meter: Device) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for age_s, component, power_w in ((9, "switch:0", 10.0), (6, "cover:0", 20.0), (3, "switch:0", 30.0), (1, "cover:0", 40.0)):
        await shelly.post(PATH, json=body(component, now - timedelta(seconds=age_s), 5.0, power_w))
    (heard,) = await sync_to_async(last_readings)(meter.pk, now - timedelta(minutes=1))
    assert (heard.channel, heard.power_w) == (0, 40.0)
    numbers = await sync_to_async(lambda: sorted(Series.objects.values_list("channel", "kind")))()
    assert numbers == [(0, Kind.SWITCH), (CHANNELS * Kind.COVER, Kind.COVER)]


def test_readings_from_before_kinds_were_known_go_on_with_the_usual_one(meter: Device) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    readings_store([(meter.pk, sample(start, 100.0, Kind.UNKNOWN))])
    readings_store([(meter.pk, sample(start + timedelta(seconds=10), 101.0, Kind.SWITCH))])
    readings_store([(meter.pk, sample(start + timedelta(seconds=20), 7.0, Kind.COVER))])
    rollups.rollup()
    assert total() == pytest.approx(1.0)
    assert sorted(Reading.objects.values_list("channel", flat=True)) == [0, 0, CHANNELS * Kind.COVER]


def test_a_reading_of_another_kind_between_two_costs_nothing(meter: Device) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    ours = [sample(start + timedelta(seconds=30 * step), 1_000.0 + step, Kind.SWITCH) for step in range(20)]
    others = [sample(one.time + timedelta(seconds=5), 3.0, Kind.COVER) for one in ours if one.time]
    readings_store((meter.pk, one) for one in [*ours, *others])
    rollups.rollup()
    assert total() == pytest.approx(19.0)
    (first, second) = FiveMinutes.objects.order_by("start")
    assert (first.samples, second.samples, first.covered_s) == (20, 20, 300.0)
    before = buckets()
    rollup_rebuild()
    assert buckets() == before
