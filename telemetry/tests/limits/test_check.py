"""Passed limits switch off, once, and tell the home; what is unknown does nothing."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoAssertNumQueries

from accounts.models import Home
from common.testing import together
from devices.control.commands import commands_claim, commands_expire
from devices.models import Channel, Command, Device, DeviceEvent, RelayState
from devices.services import device_retire
from ecowatt.celery import app
from telemetry.history.window import local_midnight
from telemetry.limits.check import limits_check
from telemetry.models import Limit
from telemetry.rollup.run import rollup
from telemetry.tests.limits.past import energy_store, power_store

pytestmark = pytest.mark.django_db
MINUTES = 5
ABOVE = [1600.0] * 31  # every 10 s for 5 minutes
HOUR = timedelta(hours=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def limit(meter: Device) -> Limit:
    return Limit.objects.create(device=meter, channel=0, power_w=1500, minutes=MINUTES, is_active=True)


@pytest.fixture
def day_limit(meter: Device) -> Limit:
    return Limit.objects.create(device=meter, channel=0, kwh_a_day=2, is_active=True)


@pytest.fixture
def noon(home: Home) -> datetime:
    """Yesterday's noon in the home."""
    zone = ZoneInfo(home.time_zone)
    return local_midnight((timezone.now() - timedelta(days=1)).astimezone(zone).date(), zone) + timedelta(hours=12)


def ended() -> None:
    """End what waits, so that the same may be commanded again."""
    Command.objects.update(state="done")


def test_a_circuit_that_drew_too_much_for_too_long_is_switched_off(meter: Device, limit: Limit, now: datetime) -> None:
    power_store(meter, now, 1400.0, *ABOVE)
    assert limits_check(now) == 1
    command = Command.objects.get()
    assert (command.device, command.channel, command.method, command.on) == (meter, 0, "Switch.Set", False)
    assert (command.state, command.user, command.sent_at) == ("waiting", None, None)
    assert round((command.expires_at - command.created_at).total_seconds(), 1) == 600
    assert command.cause == "limit"
    event = DeviceEvent.objects.get()
    assert (event.device, event.channel, event.kind) == (meter, 0, "limit_passed")
    since = (now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    figures = {
        "limit_id": limit.pk,
        "command_id": command.pk,
        "power_w": 1500.0,
        "minutes": 5,
        "mean_power_w": 1600.0,
        "since": since,
    }
    assert event.details == figures
    limit.refresh_from_db()
    assert limit.passed_at == now


@pytest.mark.parametrize(
    ("powers", "every_s", "late_s"),
    [
        pytest.param(ABOVE[1:], 10, 0, id="not for so long yet"),
        pytest.param([*ABOVE[:20], 1500.0, *ABOVE[:10]], 10, 0, id="one reading is not above it"),
        pytest.param([1600.0] * 5, 91, 0, id="gaps in which it is not known"),
        pytest.param(ABOVE, 10, 91, id="nothing is known of now"),
        pytest.param([], 10, 0, id="nothing is known at all"),
    ],
)
def test_what_is_not_known_to_pass_a_limit_is_left_alone(
    meter: Device, limit: Limit, now: datetime, powers: list[float], every_s: int, late_s: int
) -> None:
    power_store(meter, now - timedelta(seconds=late_s), *powers, every_s=every_s)
    assert limits_check(now) == 0
    assert not Command.objects.exists()


def test_a_limit_of_power_acts_again_once_the_power_was_lower(meter: Device, limit: Limit, now: datetime) -> None:
    earlier = now - HOUR
    power_store(meter, earlier, *ABOVE)
    assert [limits_check(earlier), limits_check(earlier)] == [1, 0]
    ended()
    power_store(meter, earlier + timedelta(minutes=6), *ABOVE)  # it could not be switched off
    assert limits_check(earlier + timedelta(minutes=6)) == 0
    power_store(meter, earlier + timedelta(minutes=6, seconds=10), 0.0)
    rollup()
    power_store(meter, now, *ABOVE)
    assert limits_check(now) == 1
    assert Command.objects.count() == DeviceEvent.objects.count() == 2


def test_a_limit_of_power_acts_again_once_the_circuit_was_switched_on(meter: Device, limit: Limit, now: datetime) -> None:
    passed = now - HOUR
    power_store(meter, passed, *ABOVE)
    assert limits_check(passed) == 1
    ended()
    on = passed + timedelta(seconds=21)  # between two readings, so none was lower
    RelayState.objects.create(device=meter, channel=0, is_on=False, since=on)
    power_store(meter, passed + timedelta(seconds=340), *[1600.0] * 34)
    assert limits_check(passed + timedelta(seconds=340)) == 0
    RelayState.objects.update(is_on=True)
    assert [limits_check(passed + timedelta(seconds=after)) for after in (320, 330, 340)] == [0, 1, 0]


def refuse_essential(meter: Device, limit: Limit) -> None:
    Channel.objects.create(device=meter, number=0, name="Refrigerador", is_essential=True)


def refuse_inactive(meter: Device, limit: Limit) -> None:
    Limit.objects.update(is_active=False)


def refuse_deactivated(meter: Device, limit: Limit) -> None:
    Device.objects.update(is_active=False)


def refuse_retired(meter: Device, limit: Limit) -> None:
    device_retire(device=meter)


@pytest.mark.parametrize("out_of_force", [refuse_essential, refuse_inactive, refuse_deactivated, refuse_retired])
def test_a_limit_that_is_not_in_force_does_nothing(meter: Device, limit: Limit, now: datetime, out_of_force: Any) -> None:
    power_store(meter, now, *ABOVE)
    out_of_force(meter, limit)
    assert limits_check(now) == 0
    assert not Command.objects.exists()


def test_a_device_that_was_not_there_in_time_is_told(meter: Device, limit: Limit, now: datetime) -> None:
    power_store(meter, now, *ABOVE)
    limits_check(now)
    command = Command.objects.get()
    commands_expire(command.expires_at)
    passed, undone = DeviceEvent.objects.order_by("pk")
    assert (passed.kind, undone.kind, undone.channel) == ("limit_passed", "limit_undone", 0)
    error = "El dispositivo no estuvo en línea a tiempo."
    assert undone.details == {"command_id": command.pk, "on": False, "reason": "expired", "error": error}


def test_a_circuit_that_becomes_essential_while_the_command_waits_stays_on(meter: Device, limit: Limit, now: datetime) -> None:
    power_store(meter, now, *ABOVE)
    limits_check(now)
    by_hand = Command.objects.create(
        device=meter, channel=1, method="Switch.Set", on=False, state="waiting", expires_at=now + HOUR
    )
    for number in (0, 1):
        Channel.objects.create(device=meter, number=number, name="Refrigerador", is_essential=True)
    Device.objects.update(is_online=True, last_seen_at=now)
    assert commands_claim() == [by_hand]
    ended_one = Command.objects.get(channel=0)
    assert (ended_one.state, ended_one.error) == ("cancelled", "El circuito es esencial: solo una persona lo apaga.")


def test_another_circuit_of_the_device_that_is_essential_changes_nothing(meter: Device, limit: Limit, now: datetime) -> None:
    Channel.objects.create(device=meter, number=1, name="Refrigerador", is_essential=True)
    power_store(meter, now, *ABOVE)
    assert limits_check(now) == 1


def test_a_circuit_that_used_its_day_s_energy_is_switched_off_once_that_day(
    meter: Device, day_limit: Limit, noon: datetime
) -> None:
    midnight = noon - timedelta(hours=12)
    energy_store(meter, midnight - timedelta(hours=1), *[900.0] * 12)  # the day before
    energy_store(meter, midnight, *[250.0] * 7)
    assert limits_check(noon) == 0
    energy_store(meter, noon - timedelta(minutes=5), 250.0)
    assert limits_check(noon) == 1
    [event] = DeviceEvent.objects.all()
    share = round(8 * 300 / (12 * 3600), 3)
    figures = {"kwh_a_day": 2.0, "kwh": 2.0, "known_share": share, "date": midnight.date().isoformat()}
    assert event.details == {"limit_id": day_limit.pk, "command_id": Command.objects.get().pk} | figures
    ended()
    assert limits_check(noon + HOUR) == 0  # switched on by hand, it stays on
    next_day = midnight + timedelta(days=1)
    assert limits_check(next_day + HOUR) == 0
    energy_store(meter, next_day, *[250.0] * 8)
    assert limits_check(next_day + HOUR) == 1
    assert Command.objects.count() == 2


def test_a_command_that_waits_already_is_the_same_one(meter: Device, limit: Limit, day_limit: Limit, now: datetime) -> None:
    power_store(meter, now, *ABOVE)
    energy_store(meter, local_midnight(now.astimezone(ZoneInfo(meter.home.time_zone)).date(), ZoneInfo("UTC")), 0.0)
    Limit.objects.create(device=meter, channel=0, power_w=1000, minutes=1, is_active=True)
    assert limits_check(now) == 2
    assert Command.objects.count() == 1
    assert DeviceEvent.objects.count() == 2


def test_many_limits_are_checked_with_few_queries(
    meter: Device, home: Home, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    power_store(meter, now, *ABOVE)
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    for device in (meter, other):
        Limit.objects.bulk_create(
            Limit(device=device, channel=0, power_w=1700 + one, minutes=5, is_active=True) for one in range(9)
        )
        Limit.objects.bulk_create(Limit(device=device, channel=0, kwh_a_day=1 + one, is_active=True) for one in range(9))
    with django_assert_num_queries(3):
        assert limits_check(now) == 0


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_look_at_once_switch_off_once(meter: Device, limit: Limit, now: datetime) -> None:
    power_store(meter, now, *ABOVE)
    assert sorted(together(lambda _number: limits_check(now), 3)) == [0, 0, 1]
    assert Command.objects.count() == DeviceEvent.objects.count() == 1


def test_limits_are_checked_every_ten_seconds() -> None:
    row = PeriodicTask.objects.get(task="telemetry.tasks.limits_check")
    assert (row.interval.every, row.interval.period, row.enabled) == (10, "seconds", True)
    app.loader.import_default_modules()
    assert row.task in app.tasks
