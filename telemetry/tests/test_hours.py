from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Home
from devices.models import Device
from telemetry.hours import HOUR, HourOfHome, home_hours, hour_of
from telemetry.models import Bucket, Hour
from telemetry.selectors import counting_ids

START = datetime(2026, 11, 3, 18, tzinfo=UTC)


def _hour(
    device: Device, at: datetime, wh: float, *, channel: int = 0, covered_s: float = 3600, recovered: float = 0, flags: int = 0
) -> None:
    Hour.objects.create(
        device_id=device.pk,
        channel=channel,
        start=at,
        measured_wh=wh,
        recovered_wh=recovered,
        returned_wh=0,
        covered_s=covered_s,
        samples=700,
        flags=flags,
    )


def _hours(home: Home, length: timedelta) -> list[HourOfHome]:
    return home_hours(counting_ids(home), START, START + length, ZoneInfo(home.time_zone))


@pytest.fixture
def other(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id="a8032412c3d5", name="Sala")


def test_the_circuits_of_an_hour_add_up_and_hours_without_any_are_unknown(home: Home, meter: Device, other: Device) -> None:
    _hour(meter, START, 500)
    _hour(other, START, 250)
    _hour(meter, START + 2 * HOUR, 100)
    _hour(other, START + 2 * HOUR, 50)
    found = _hours(home, 4 * HOUR)
    assert [(hour.wh, hour.is_known) for hour in found] == [(750, True), (0, False), (150, True), (0, False)]
    assert found[0].start.isoformat() == "2026-11-03T12:00:00-06:00"


def test_an_hour_is_unknown_where_one_circuit_is_missing_between_two_that_it_is_in(
    home: Home, meter: Device, other: Device
) -> None:
    for number in range(4):
        _hour(meter, START + number * HOUR, 500)
    for number in (1, 3):
        _hour(other, START + number * HOUR, 100)
    assert [hour.is_known for hour in _hours(home, 4 * HOUR)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("covered_s", "recovered", "flags", "is_known"),
    [
        (3_300, 0, 0, True),
        (1_800, 0, 0, False),
        (0, 400, 0, True),
        (0, 0, Bucket.Flag.RECOVERED, True),
        (0, 0, Bucket.Flag.REJECTED, False),
    ],
)
def test_an_hour_is_known_when_it_is_covered_or_a_counter_tells_of_it(
    home: Home, meter: Device, covered_s: float, recovered: float, flags: int, is_known: bool
) -> None:
    _hour(meter, START, 100, covered_s=covered_s, recovered=recovered, flags=flags)
    assert [(hour.wh, hour.is_known) for hour in _hours(home, HOUR)] == [(100 + recovered, is_known)]


def test_the_mains_alone_count_and_strangers_never(home: Home, meter: Device, other: Device, stranger: object) -> None:
    Device.objects.filter(pk=other.pk).update(is_main=True)
    _hour(meter, START, 500)
    _hour(other, START, 700)
    assert _hours(home, HOUR)[0].wh == 700


def test_it_takes_three_queries(home: Home, meter: Device, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(3):
        _hours(home, timedelta(days=60))


def test_the_hour_of_a_moment() -> None:
    assert hour_of(START + timedelta(minutes=59, seconds=3)) == START
