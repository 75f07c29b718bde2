"""Schedules: written by their homes and run by workers, of which one does each occurrence, once."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import Home
from devices.control.commands import Order, command_keep, commands_expire, commands_withdraw
from devices.events import event_record
from devices.models import Channel, Command, Device, EventKind, RelayState, Schedule
from devices.schedules.occurrences import occurrences

# An occurrence that is later than this is not done any more: whoever is at home has long done something else.
LATE = timedelta(minutes=10)
SHOWN = 3
Action, Skip = Schedule.Action, Schedule.Skip


@transaction.atomic
def schedule_save(*, schedule: Schedule) -> Schedule:
    """Save a schedule that was checked (`clean`), new or changed, and let it count from now (1 to 2 queries).

    What it has waiting for the device by its old words is not sent.
    """
    if schedule.pk:
        commands_withdraw(schedule=schedule)
    schedule.since, schedule.on_since = timezone.now(), None
    schedule.next_at = None if schedule.is_paused else _next_at(schedule, schedule.since)
    schedule.save()
    return schedule


@transaction.atomic
def schedule_delete(*, schedule: Schedule) -> None:
    """Delete a schedule, and end what it has waiting for the device (3 queries)."""
    commands_withdraw(schedule=schedule)
    schedule.delete()


def _next_at(schedule: Schedule, after: datetime) -> datetime | None:
    """Return when a schedule acts next by the clock; None for one that waits for the relay to be on."""
    return next(_times(schedule, after), None)


def _times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if schedule.time is None:
        return iter(())
    return occurrences(schedule.time, schedule.weekdays, ZoneInfo(schedule.device.home.time_zone), after=after)


def next_times(schedule: Schedule, *, now: datetime) -> list[datetime]:
    """Return the next three times at which it will act, as things stand, in the home's zone; one at most where it waits for minutes on."""
    if schedule.is_paused or not schedule.device.is_active:
        return []
    found = islice(_times(schedule, now), SHOWN) if schedule.time else [schedule.next_at] if schedule.next_at else []
    return [at.astimezone(ZoneInfo(schedule.device.home.time_zone)) for at in found]


@transaction.atomic
def schedules_retime(*, home: Home) -> None:
    """Go by the home's zone as it is now (1 to 2 queries). What is due already stays due."""
    later = Schedule.objects.filter(device__home=home, next_at__gt=(now := timezone.now()), time__isnull=False)
    schedules = list(later.select_for_update(of=("self",)).select_related("device__home").order_by("pk"))
    for schedule in schedules:
        schedule.next_at = _next_at(schedule, now)
    Schedule.objects.bulk_update(schedules, ["next_at"])


@transaction.atomic
def schedules_stop_essential(*, device: Device) -> None:
    """Stop what would switch essential circuits of the device off, and note it (1 query where nothing would)."""
    essential = Channel.objects.filter(device=device, is_essential=True).values("number")
    offs = Schedule.objects.filter(device=device, channel__in=essential, is_paused=False).exclude(action=Action.ON)
    for schedule in offs.select_for_update().order_by("pk"):
        _skip(schedule, Skip.ESSENTIAL, timezone.now())
        schedule.save()


def schedules_run(*, now: datetime) -> int:
    """Do what is due, and return how many occurrences were taken; of several workers each takes other ones."""
    commands_expire(now)
    _count_minutes()
    taken = 0
    while _take(now):
        taken += 1
    return taken


def _count_minutes() -> None:
    """Let minutes run for relays that were switched on, whoever did it, and no longer for those that are off (2 queries)."""
    on = RelayState.objects.filter(device=OuterRef("device"), channel=OuterRef("channel"), is_on=True)
    counting = Schedule.objects.filter(action=Action.OFF_AFTER, is_paused=False, device__retired_at=None)
    counting.filter(~Exists(on), on_since__isnull=False).update(on_since=None, next_at=None)
    since = Subquery(on.values("since"))
    minutes = ExpressionWrapper(F("after_minutes") * Value(timedelta(minutes=1)), output_field=DurationField())
    is_new = Q(on_since=None) | ~Q(on_since=F("now_since"))
    switched_on = counting.annotate(now_since=since).filter(is_new, now_since__isnull=False)
    switched_on.update(on_since=since, next_at=Greatest(since, F("since")) + minutes)


@transaction.atomic
def _take(now: datetime) -> bool:
    """Do what has been due longest and nobody else does right now, and tell whether there was anything."""
    due = Schedule.objects.filter(next_at__lte=now, device__retired_at=None).select_related("device__home")
    schedule = due.select_for_update(skip_locked=True, of=("self",)).order_by("next_at", "pk").first()
    if schedule is None or schedule.next_at is None:
        return False
    due_at, schedule.next_at = schedule.next_at, _next_at(schedule, schedule.next_at)
    if schedule.is_timed or _is_still_on(schedule):
        _do(schedule, due_at, now)
    schedule.save()
    return True


def _is_still_on(schedule: Schedule) -> bool:
    relays = RelayState.objects.filter(device=schedule.device_id, channel=schedule.channel, is_on=True)
    return schedule.on_since in relays.values_list("since", flat=True)


def _do(schedule: Schedule, due_at: datetime, now: datetime) -> None:
    """Have the relay switched, or note why not. What has been on too long is never too late to be switched off."""
    if not schedule.device.is_active:
        _skip(schedule, Skip.INACTIVE, due_at)
    elif not schedule.switches_on and schedule.is_essential:
        _skip(schedule, Skip.ESSENTIAL, due_at)
    elif schedule.is_timed and now - due_at > LATE:
        _skip(schedule, Skip.LATE, due_at)
    else:
        until = (due_at if schedule.is_timed else now) + LATE
        schedule.last_at, schedule.last_skip = due_at, ""
        order, cause = Order(schedule.channel, schedule.switches_on), Command.Cause.SCHEDULE
        schedule.last_command = command_keep(
            device=schedule.device, order=order, cause=cause, keep_for_s=round((until - now).total_seconds()), schedule=schedule
        )


def _skip(schedule: Schedule, reason: Schedule.Skip, at: datetime) -> None:
    """Note that the schedule did nothing; one that may not act any more is paused until its home says otherwise."""
    schedule.last_at, schedule.last_skip, schedule.last_command = at, reason, None
    if reason == Skip.ESSENTIAL:
        schedule.is_paused, schedule.next_at, schedule.on_since = True, None, None
        commands_withdraw(schedule=schedule)
    details = {"schedule_id": schedule.pk, "action": schedule.action, "reason": reason}
    event_record(device=schedule.device, kind=EventKind.SCHEDULE_SKIPPED, channel=schedule.channel, at=at, details=details)
