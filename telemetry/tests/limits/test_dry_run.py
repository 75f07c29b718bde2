"""What a limit would have done in the last days, and how much of them it could tell."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Home
from devices.models import Device
from telemetry.history.window import days_window, local_midnight
from telemetry.limits.dry_run import DAYS, dry_run
from telemetry.models import Limit
from telemetry.rollup.run import rollup
from telemetry.tests.limits.past import energy_store, power_store

pytestmark = pytest.mark.django_db


def first_midnight(home: Home, now: datetime) -> datetime:
    return days_window(DAYS, now, ZoneInfo(home.time_zone)).start


def test_power_that_was_above_a_limit_for_long_enough_would_have_been_switched_off(
    home: Home, meter: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now().replace(microsecond=0)
    noon = first_midnight(home, now) + timedelta(hours=12)
    power_store(meter, noon - timedelta(days=1), *[2000.0] * 100)  # before the seven days
    power_store(meter, noon, 0.0, *[2000.0] * 61, 100.0)
    rollup()
    limit = Limit(device=meter, channel=0, power_w=1500, minutes=5)
    with django_assert_num_queries(2):
        found = dry_run(limit, now)
    [once] = found.switch_offs
    since = noon - timedelta(seconds=610)
    assert once == (since + timedelta(minutes=5), since, since + timedelta(minutes=10), 2000.0, None)
    assert (found.start, found.end) == (first_midnight(home, now), now)
    assert [day.date for day in found.days] == [found.start.date() + timedelta(days=day) for day in range(7)]
    assert found.days[0].kwh == pytest.approx(2 * 610 / 3600, rel=0.02)
    assert found.days[0].known_share == round(620 / 86_400, 4)
    assert [(day.kwh, day.known_share) for day in found.days[1:]] == [(None, 0.0)] * 6
    length_s = (found.end - found.start).total_seconds()
    assert found.known_share == round(620 / length_s, 4)


def test_each_day_on_which_the_energy_was_reached_would_have_been_cut_short(home: Home, meter: Device) -> None:
    now = timezone.now()
    start = first_midnight(home, now)
    for day in (0, 2):
        energy_store(meter, start + timedelta(days=day), *[100.0] * 288)
    energy_store(meter, start + timedelta(days=1), *[1.0] * 144, covered_s=150)
    found = dry_run(Limit(device=meter, channel=0, kwh_a_day=1.95), now)
    assert [one.at for one in found.switch_offs] == [start + timedelta(days=day, minutes=100) for day in (0, 2)]
    assert [one.kwh for one in found.switch_offs] == [2.0, 2.0]
    known = [(day.kwh, day.known_share) for day in found.days[:4]]
    assert known == [(28.8, 1.0), (0.144, 0.25), (28.8, 1.0), (None, 0.0)]


def test_a_day_of_twenty_five_hours_is_known_as_a_whole(home: Home, meter: Device) -> None:
    home.time_zone = "America/Tijuana"
    home.save()
    zone, today = ZoneInfo(home.time_zone), timezone.now().date()
    first = date(today.year if today > date(today.year, 11, 10) else today.year - 1, 11, 1)
    sunday = first + timedelta(days=(6 - first.weekday()) % 7)
    midnight = local_midnight(sunday, zone)
    energy_store(meter, midnight.astimezone(ZoneInfo("UTC")), *[10.0] * 300)
    limit = Limit(device=meter, channel=0, kwh_a_day=3)
    found = dry_run(limit, local_midnight(sunday + timedelta(days=1), zone) + timedelta(hours=12))
    [day] = [one for one in found.days if one.date == sunday]
    assert (day.kwh, day.known_share) == (3.0, 1.0)
    [once] = found.switch_offs
    assert once.at == local_midnight(sunday + timedelta(days=1), zone)


def test_without_any_reading_nothing_is_known(home: Home, meter: Device) -> None:
    found = dry_run(Limit(device=meter, channel=0, power_w=1, minutes=1), timezone.now())
    assert (found.known_share, found.switch_offs, {day.kwh for day in found.days}) == (0.0, [], {None})
