"""Schedules as workers run them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import User
from devices.control.commands import LOST_S, Order, command_end, command_keep, commands_claim, commands_expire
from devices.control.exceptions import DeviceRefused, DeviceSilent
from devices.models import Channel, Command, Device, DeviceEvent, RelayState, Schedule
from devices.schedules import services
from devices.schedules.services import schedules_run
from devices.services import device_retire, device_toggle
from devices.tests.schedules.conftest import Make
from ecowatt.celery import app

AWAY = "El dispositivo no estuvo en línea a tiempo."
MINUTE = timedelta(minutes=1)


def due(schedule: Schedule, *, ago: timedelta = timedelta()) -> datetime:
    """Have the schedule's next occurrence due, and return when it is."""
    at = timezone.now() - ago
    Schedule.objects.filter(pk=schedule.pk).update(next_at=at)
    return at


def outcome(schedule: Schedule) -> tuple[datetime | None, str, str | None]:
    """Return when the schedule was due last, why it was skipped, and what became of its command."""
    schedule.refresh_from_db()
    return schedule.last_at, schedule.last_skip, schedule.last_command.state if schedule.last_command else None


def told() -> list[tuple[int | None, str]]:
    return list(DeviceEvent.objects.filter(kind="schedule_skipped").order_by("pk").values_list("channel", "details__reason"))


def test_what_is_due_waits_for_its_device_as_a_command_of_the_schedule_s(api: Any, meter: Device, make: Make) -> None:
    schedule, later = make(channel=1), make()
    at = due(schedule, ago=MINUTE)
    assert schedules_run(now=timezone.now()) == 1
    assert outcome(schedule) == (at, "", "waiting")
    command = Command.objects.get()
    assert (command.device, command.channel, command.method, command.on) == (meter, 1, "Switch.Set", False)
    assert abs((command.expires_at or at) - at - services.LATE) < timedelta(seconds=2)
    [shown] = api.get(f"/api/v1/control/{meter.pk}/history").json()["commands"]
    assert (shown["cause"], shown["schedule_id"], shown["user_name"]) == ("schedule", schedule.pk, None)
    last = api.get(f"/api/v1/devices/{meter.pk}/schedules").json()[0]["last"]
    assert (last["outcome"], last["message"], last["command_id"]) == ("waiting", None, command.pk)
    assert schedule.next_at is not None
    assert schedule.next_at > at
    assert outcome(later) == (None, "", None)
    assert schedules_run(now=timezone.now()) == 0


def test_it_acts_on_its_days_at_its_time_by_the_homes_clock(meter: Device, make: Make) -> None:
    """On 14 March 2027 the clocks of the border go from 02:00 to 03:00, which is 10:00 UTC."""
    meter.home.time_zone = "America/Tijuana"
    meter.home.save()
    schedule = make(time="02:15", weekdays=[7])
    Schedule.objects.update(next_at=datetime(2027, 3, 7, 10, 15, tzinfo=UTC))
    acted = []
    for day, hour, minute in product((7, 8, 14, 21), (9, 10), range(0, 60, 5)):
        now = datetime(2027, 3, day, hour, minute, tzinfo=UTC)
        if schedules_run(now=now):
            acted.append((now, outcome(schedule)[0]))
    moments = [datetime(2027, 3, *moment, tzinfo=UTC) for moment in ((7, 10, 15), (14, 10, 0), (21, 9, 15))]
    assert acted == [(moment, moment) for moment in moments]


@pytest.mark.parametrize(("ago", "skip"), [(9.9 * MINUTE, ""), (10.1 * MINUTE, "late")])
def test_what_is_more_than_ten_minutes_late_is_skipped_and_told(make: Make, ago: timedelta, skip: str) -> None:
    schedule = make()
    at = due(schedule, ago=ago)
    assert schedules_run(now=timezone.now()) == 1
    assert outcome(schedule) == (at, skip, None if skip else "waiting")
    assert told() == ([(0, "late")] if skip else [])
    assert Command.objects.exists() is not bool(skip)


def test_after_two_days_without_a_worker_each_missed_time_is_told_and_the_next_one_comes(make: Make) -> None:
    schedule = make()
    now = timezone.now()
    due(schedule, ago=timedelta(days=2, hours=1))
    Schedule.objects.update(time=(now - timedelta(hours=1)).astimezone(ZoneInfo("America/Mexico_City")).time())
    assert schedules_run(now=now) == 3
    assert told() == [(0, "late")] * 3
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert now < schedule.next_at < now + timedelta(days=1)
    assert not Command.objects.exists()


def test_a_deactivated_device_is_left_alone_and_a_deleted_one_too(meter: Device, make: Make) -> None:
    schedule = make()
    device_toggle(device=meter)
    at = due(schedule)
    assert schedules_run(now=timezone.now()) == 1
    assert outcome(schedule) == (at, "inactive", None)
    assert told() == [(0, "inactive")]
    device_retire(device=meter)
    due(schedule)
    assert schedules_run(now=timezone.now()) == 0
    assert not Command.objects.exists()


def test_an_essential_circuit_stays_on_even_if_it_became_so_behind_our_back(meter: Device, make: Make) -> None:
    schedule, on = make(), make(action="on")
    Channel.objects.create(device=meter, number=0, name="Refrigerador", is_essential=True)
    due(schedule)
    due(on)
    assert schedules_run(now=timezone.now()) == 2
    assert outcome(schedule)[1:] == ("essential", None)
    assert (schedule.is_paused, schedule.next_at) == (True, None)
    assert outcome(on)[1:] == ("", "waiting")
    assert Command.objects.get().on is True


def test_a_paused_schedule_does_nothing(api: Any, meter: Device, make: Make) -> None:
    schedule = make()
    due(schedule)
    api.patch(f"/api/v1/devices/{meter.pk}/schedules/{schedule.pk}", {"is_paused": True}, format="json")
    assert schedules_run(now=timezone.now()) == 0


@pytest.mark.parametrize(
    ("is_online", "error", "message"),
    [
        (False, None, AWAY),
        (True, None, "El dispositivo está en línea, pero el servidor no pudo enviarle la orden: conéctalo por WebSocket o MQTT."),
        (True, DeviceSilent(), "Dispositivo no responde (Timeout)"),
    ],
)
def test_a_device_that_was_not_reached_is_told_with_why(
    api: Any, meter: Device, make: Make, is_online: bool, error: DeviceSilent | None, message: str
) -> None:
    schedule = make()
    at = due(schedule)
    schedules_run(now=timezone.now())
    command = Command.objects.get()
    if error:
        Command.objects.update(state="under_way", sent_at=timezone.now())
        command_end(command_id=command.pk, was_on=None, answer_ms=5_000, error=error)
    Device.objects.update(is_online=is_online)
    schedules_run(now=at + services.LATE - timedelta(seconds=5))
    assert outcome(schedule)[2] == "waiting"
    schedules_run(now=at + services.LATE + timedelta(seconds=5))
    assert outcome(schedule) == (at, "", "expired")
    [shown] = api.get(f"/api/v1/devices/{meter.pk}/schedules").json()
    assert (shown["last"]["outcome"], shown["last"]["message"]) == ("expired", message)
    assert told() == [(0, "expired")]
    assert DeviceEvent.objects.get().details["schedule_id"] == schedule.pk


def test_a_device_that_refuses_is_told_and_a_persons_own_command_is_not(meter: Device, owner: User, make: Make) -> None:
    schedule = make()
    due(schedule)
    schedules_run(now=timezone.now())
    Command.objects.update(state="under_way", sent_at=timezone.now())
    command_end(command_id=Command.objects.get().pk, was_on=None, answer_ms=20, error=DeviceRefused(-109))
    assert outcome(schedule)[2] == "failed"
    assert told() == [(0, "failed")]
    Command.objects.create(
        device=meter, channel=1, method="Switch.Set", on=True, user=owner, state="waiting", expires_at=timezone.now()
    )
    commands_expire(timezone.now())
    assert Command.objects.get(channel=1).error == AWAY
    assert len(told()) == 1


def test_a_process_that_died_while_it_sent_leaves_the_command_to_be_sent_again(meter: Device, make: Make) -> None:
    due(make())
    schedules_run(now=timezone.now())
    Device.objects.update(is_online=True, last_seen_at=timezone.now())
    assert [command.on for command in commands_claim()] == [False]
    assert commands_claim() == []
    Command.objects.update(sent_at=timezone.now() - timedelta(seconds=LOST_S + 1))
    assert [command.on for command in commands_claim()] == [False]


@pytest.mark.parametrize(("method", "body"), [("delete", None), ("patch", {"is_paused": True}), ("patch", {"time": "23:00"})])
def test_what_waits_for_its_device_goes_with_the_words_of_its_schedule(
    api: Any, meter: Device, make: Make, method: str, body: dict[str, Any] | None
) -> None:
    schedule, other = make(), make(channel=1)
    for each in (schedule, other):
        due(each)
    schedules_run(now=timezone.now())
    getattr(api, method)(f"/api/v1/devices/{meter.pk}/schedules/{schedule.pk}", body, format="json")
    assert dict(Command.objects.values_list("channel", "state")) == {0: "cancelled", 1: "waiting"}


def test_what_waits_to_switch_a_circuit_off_ends_when_that_becomes_essential(api: Any, meter: Device, make: Make) -> None:
    schedule = make()
    due(schedule)
    schedules_run(now=timezone.now())
    api.patch(f"/api/v1/devices/{meter.pk}", {"channels": [{"number": 0, "kind": "medical"}]}, format="json")
    assert Command.objects.get().state == "cancelled"
    assert outcome(schedule)[1:] == ("essential", None)


def test_the_later_of_two_takes_the_place_of_one_that_waits_still(meter: Device, make: Make) -> None:
    off, on = make(), make(action="on")
    for schedule in (off, on):
        due(schedule)
        schedules_run(now=timezone.now())
    assert (outcome(off)[2], outcome(on)[2]) == ("cancelled", "waiting")


def test_the_same_command_that_waits_already_is_the_schedule_s_too_and_waits_as_long(
    meter: Device, owner: User, make: Make
) -> None:
    schedule = make()
    kept = command_keep(device=meter, order=Order(0, False), cause=Command.Cause.LIMIT, keep_for_s=1)
    at = due(schedule)
    schedules_run(now=timezone.now())
    kept.refresh_from_db()
    schedule.refresh_from_db()
    assert schedule.last_command == kept
    assert kept.expires_at is not None
    assert kept.expires_at > at + 9 * MINUTE


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_each_occurrence_once(make: Make) -> None:
    for channel in range(12):
        due(make(channel=channel))
    start = Barrier(3)

    def work(_number: int) -> int:
        start.wait()
        taken = schedules_run(now=timezone.now())
        connection.close()
        return taken

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(work, range(3))) == 12
    assert sorted(Command.objects.values_list("channel", flat=True)) == list(range(12))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_before_its_commit_leaves_the_occurrence_to_the_next(make: Make) -> None:
    schedule = make()
    at = due(schedule)

    @transaction.atomic
    def die() -> None:
        assert schedules_run(now=timezone.now()) == 1
        raise SystemExit

    with pytest.raises(SystemExit):
        die()
    assert not Command.objects.exists()
    assert schedules_run(now=timezone.now()) == 1
    assert outcome(schedule) == (at, "", "waiting")


def switched(meter: Device, *, on: bool, at: datetime, channel: int = 0) -> None:
    RelayState.objects.update_or_create(device=meter, channel=channel, defaults={"is_on": on, "since": at})


def test_a_relay_goes_off_once_it_has_been_on_for_the_minutes_and_once_for_each_time_on(
    api: Any, meter: Device, make: Make
) -> None:
    schedule, other = make(action="off_after", after_minutes=30), make(action="off_after", after_minutes=30, channel=1)
    on_at = timezone.now()
    Schedule.objects.update(since=on_at - timedelta(days=1))
    switched(meter, on=True, at=on_at)
    assert schedules_run(now=on_at + 29 * MINUTE) == 0
    [shown, _shown] = api.get(f"/api/v1/devices/{meter.pk}/schedules").json()
    assert [datetime.fromisoformat(each) for each in shown["next_times"]] == [on_at + 30 * MINUTE]
    assert schedules_run(now=on_at + 30 * MINUTE) == 1
    assert outcome(schedule) == (on_at + 30 * MINUTE, "", "waiting")
    assert schedules_run(now=on_at + 61 * MINUTE) == 0  # once for each time on, whatever became of it
    Command.objects.update(state="done")
    switched(meter, on=False, at=on_at + 31 * MINUTE)
    schedules_run(now=on_at + 62 * MINUTE)
    switched(meter, on=True, at=on_at + 90 * MINUTE)
    assert schedules_run(now=on_at + 119 * MINUTE) == 0
    assert schedules_run(now=on_at + 120 * MINUTE) == 1
    assert outcome(other) == (None, "", None)


def test_a_relay_that_was_switched_off_meanwhile_is_left_alone_and_counts_anew_when_it_is_on_again(
    meter: Device, make: Make
) -> None:
    schedule = make(action="off_after", after_minutes=30)
    on_at = timezone.now()
    Schedule.objects.update(since=on_at - timedelta(days=1))
    switched(meter, on=True, at=on_at)
    schedules_run(now=on_at + MINUTE)
    switched(meter, on=True, at=on_at + 20 * MINUTE)  # off and on again between two looks
    assert schedules_run(now=on_at + 31 * MINUTE) == 0
    switched(meter, on=False, at=on_at + 40 * MINUTE)
    assert schedules_run(now=on_at + 51 * MINUTE) == 0
    assert outcome(schedule) == (None, "", None)
    assert schedule.next_at is None


def test_what_has_been_on_too_long_goes_off_however_late_and_minutes_count_from_when_they_were_asked_for(
    meter: Device, make: Make
) -> None:
    now = timezone.now()
    switched(meter, on=True, at=now - timedelta(hours=5))
    schedule = make(action="off_after", after_minutes=30)
    assert schedules_run(now=timezone.now() + 29 * MINUTE) == 0
    assert schedules_run(now=timezone.now() + timedelta(hours=3)) == 1
    assert outcome(schedule)[1:] == ("", "waiting")
    assert told() == []


@pytest.mark.django_db
def test_schedules_are_looked_at_every_five_seconds() -> None:
    row = PeriodicTask.objects.get(task="devices.tasks.schedules_run")
    assert (row.interval.every, row.interval.period, row.enabled) == (5, "seconds", True)
    app.loader.import_default_modules()
    app.tasks[row.task]()
