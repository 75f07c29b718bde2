from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Home
from devices.models import Device
from devices.selectors import roles_of
from telemetry.columns import Flag
from telemetry.history.home_total import HourOfHome, home_hours
from telemetry.history.window import HOUR, hour_of
from telemetry.tests.history.stored_hours import store_hour

START = datetime(2026, 11, 3, 18, tzinfo=UTC)


def _hours(home: Home, length: timedelta) -> list[HourOfHome]:
    return home_hours(roles_of(home), START, START + length, ZoneInfo(home.time_zone))


@pytest.fixture
def other(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id="a8032412c3d5", name="Sala")


def test_the_circuits_of_an_hour_add_up_and_hours_without_any_are_unknown(home: Home, meter: Device, other: Device) -> None:
    store_hour(meter, START, 500)
    store_hour(other, START, 250)
    store_hour(meter, START + 2 * HOUR, 100)
    store_hour(other, START + 2 * HOUR, 50)
    found = _hours(home, 4 * HOUR)
    assert [(hour.wh, hour.known_share) for hour in found] == [(750, 1), (0, 0), (150, 1), (0, 0)]
    assert found[0].start.isoformat() == "2026-11-03T12:00:00-06:00"


def test_an_hour_is_known_but_for_the_circuit_that_is_missing_between_two_that_it_is_in(
    home: Home, meter: Device, other: Device
) -> None:
    for number in range(4):
        store_hour(meter, START + number * HOUR, 500)
    for number in (1, 3):
        store_hour(other, START + number * HOUR, 100)
    assert [hour.known_share for hour in _hours(home, 4 * HOUR)] == [1, 1, pytest.approx(5 / 6), 1]


def test_a_circuit_that_has_fallen_silent_is_missing_until_its_device_is_deleted(
    home: Home, meter: Device, other: Device
) -> None:
    for number in range(4):
        store_hour(meter, START + number * HOUR, 500)
    for number in range(2):
        store_hour(other, START + number * HOUR, 100)
    silent = [1, 1, pytest.approx(5 / 6), pytest.approx(5 / 6)]
    assert [hour.known_share for hour in _hours(home, 4 * HOUR)] == silent
    Device.objects.filter(pk=other.pk).update(retired_at=START + 2 * HOUR - timedelta(minutes=1))
    assert [hour.known_share for hour in _hours(home, 4 * HOUR)] == [1, 1, 1, 1]


def test_a_circuit_that_is_silent_for_longer_than_a_bill_is_taken_for_gone(home: Home, meter: Device, other: Device) -> None:
    store_hour(other, START, 100)
    for days in (0, 61, 63):
        store_hour(meter, START + timedelta(days=days), 100)
    found = {hour.start: hour.known_share for hour in _hours(home, timedelta(days=64))}
    assert [found[START + timedelta(days=days)] for days in (0, 61, 63)] == [1, 0.5, 1]


@pytest.mark.parametrize(
    ("covered_s", "recovered", "flags", "known_share"),
    [
        (3_240, 0, 0, 0.9),
        (900, 0, 0, 0.25),
        (0, 400, 0, 1),
        (0, 0, Flag.RECOVERED, 1),
        (0, 0, Flag.REJECTED, 0),
    ],
)
def test_an_hour_is_known_as_far_as_it_is_covered_or_a_counter_tells_of_it(
    home: Home, meter: Device, covered_s: float, recovered: float, flags: int, known_share: float
) -> None:
    store_hour(meter, START, 100, covered_s=covered_s, recovered_wh=recovered, flags=flags)
    assert [(hour.wh, hour.known_share) for hour in _hours(home, HOUR)] == [(100 + recovered, known_share)]


def test_the_mains_alone_count_and_strangers_never(home: Home, meter: Device, other: Device, stranger: object) -> None:
    Device.objects.filter(pk=other.pk).update(is_main=True)
    store_hour(meter, START, 500)
    store_hour(other, START, 700)
    assert _hours(home, HOUR)[0].wh == 700


def test_it_takes_two_queries(home: Home, meter: Device, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        _hours(home, timedelta(days=60))


def test_the_hour_of_a_moment() -> None:
    assert hour_of(START + timedelta(minutes=59, seconds=3)) == START
