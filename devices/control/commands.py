"""Commands to relays: recorded before they are sent and after they are answered, and each only once while it is under way."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from common.async_database import in_own_thread
from devices.control.exceptions import CommandNotFound, DeviceInactive, DeviceSilent, NotSwitched
from devices.control.rpc import ANSWER_S, Listener, rpc
from devices.events import event_record
from devices.models import Channel, Command, Device, EventKind, Schedule

# A process that dies leaves its commands under way; this long after they were sent nobody waits for them any more.
LOST_S = 3 * ANSWER_S
POLL_S = 0.2
# How long a kept command rests after a try that failed, unless its device comes back meanwhile.
RETRY_S = 30.0
AWAY = gettext_lazy("El dispositivo no estuvo en línea a tiempo.")
# Its readings come over HTTP, or no process is there that would send it anything.
UNSENT = gettext_lazy("El dispositivo está en línea, pero el servidor no pudo enviarle la orden: conéctalo por WebSocket o MQTT.")
ESSENTIAL = gettext_lazy("El circuito es esencial: solo una persona lo apaga.")
State, Method, Cause = Command.State, Command.Method, Command.Cause
UNDONE = {Cause.SCHEDULE.value: EventKind.SCHEDULE_SKIPPED, Cause.LIMIT.value: EventKind.LIMIT_UNDONE}


class Order(NamedTuple):
    """What a relay shall do; `on` is None to toggle it."""

    channel: int
    on: bool | None

    @property
    def method(self) -> str:
        return Method.TOGGLE if self.on is None else Method.SET

    @property
    def params(self) -> dict[str, Any]:
        return {"id": self.channel} if self.on is None else {"id": self.channel, "on": self.on}


def command_record(*, device: Device, order: Order, user: User | None, keep_for_s: int | None = None) -> tuple[Command, bool]:
    """Record a command that is to be sent now, and tell whether its caller has to send it (4 to 5 queries).

    It has not where the same command is under way already; one that waited for the device is sent now. One that is to be kept ends others
    that wait to switch the relay. Raises DeviceInactive.
    """
    if not device.is_active:
        raise DeviceInactive
    now = timezone.now()
    _end_lost(device.commands.all(), now)
    if keep_for_s:
        _end_others(device, order, now)
    expires_at = now + timedelta(seconds=keep_for_s) if keep_for_s else None
    command, is_new = Command.objects.get_or_create(
        device=device,
        channel=order.channel,
        method=order.method,
        on=order.on,
        state__in=[State.UNDER_WAY, State.WAITING],
        defaults={"user": user, "state": State.UNDER_WAY, "sent_at": now, "expires_at": expires_at},
    )
    if is_new:
        return command, True
    waiting = Command.objects.filter(pk=command.pk, state=State.WAITING)
    return command, bool(waiting.update(state=State.UNDER_WAY, sent_at=now, expires_at=expires_at or command.expires_at))


@transaction.atomic
def command_keep(*, device: Device, order: Order, cause: str, keep_for_s: int, schedule: Schedule | None = None) -> Command:
    """Record a command that is sent once its device is there, by an ingest process (3 to 5 queries).

    Where the same one is under way or waits already, it is that one. Others that wait to switch the relay end.
    """
    now = timezone.now()
    until = now + timedelta(seconds=keep_for_s)
    _end_others(device, order, now)
    alive = {"state__in": [State.UNDER_WAY, State.WAITING]}
    command, is_new = Command.objects.get_or_create(
        device=device,
        channel=order.channel,
        method=order.method,
        on=order.on,
        **alive,
        defaults={"cause": cause, "schedule": schedule, "state": State.WAITING, "expires_at": until},
    )
    if not is_new:
        device.commands.filter(Q(expires_at=None) | Q(expires_at__lt=until), pk=command.pk, **alive).update(expires_at=until)
    return command


def _end_others(device: Device, order: Order, now: datetime) -> None:
    """End what else waits to switch the relay, for what was wanted last counts (1 query)."""
    waiting = device.commands.filter(channel=order.channel, state=State.WAITING)
    waiting.exclude(method=order.method, on=order.on).update(state=State.CANCELLED, ended_at=now)


@transaction.atomic
def commands_expire(now: datetime) -> None:
    """End commands that waited too long, and say why where none was sent (1 query where there are none)."""
    overdue = Command.objects.filter(state=State.WAITING, expires_at__lte=now).select_related("device").order_by("pk")
    for command in overdue.select_for_update(skip_locked=True, of=("self",)):
        command.state, command.ended_at = State.EXPIRED, now
        command.error = command.error or str(UNSENT if command.device.is_online else AWAY)
        command.save(update_fields=["state", "ended_at", "error"])
        _note_undone(command)


def _end_essential(now: datetime) -> None:
    """End what would switch a circuit off that has become essential since, unless a person commanded it (1 query)."""
    essential = Channel.objects.filter(device=OuterRef("device"), number=OuterRef("channel"), is_essential=True)
    waiting = Command.objects.filter(Exists(essential), state=State.WAITING, on=False).exclude(cause=Cause.USER)
    waiting.update(state=State.CANCELLED, ended_at=now, error=str(ESSENTIAL))


def _note_undone(command: Command) -> None:
    """Tell the household that what no person commanded was not done (none, or 2 to 4 queries)."""
    if kind := UNDONE.get(command.cause):
        details = {"command_id": command.pk, "on": command.on, "reason": command.state, "error": command.error}
        details |= {"schedule_id": command.schedule_id} if command.schedule_id else {}
        event_record(device=command.device, kind=kind, channel=command.channel, at=command.created_at, details=details)


def _end_lost(commands: QuerySet[Command], now: datetime) -> None:
    """End what a process left behind that died in the middle, so that the same may be commanded again (2 queries).

    What is kept and says on or off waits again; a toggle may have been done, and another would undo it.
    """
    lost = commands.filter(state=State.UNDER_WAY, sent_at__lt=now - timedelta(seconds=LOST_S))
    lost.filter(method=Method.SET, expires_at__gt=now).update(state=State.WAITING)
    lost.update(state=State.FAILED, ended_at=now, error=_("El servidor se reinició sin saber qué pasó."))


@transaction.atomic
def command_end(*, command_id: int, was_on: bool | None, answer_ms: int, error: NotSwitched | None) -> Command:
    """Record what came of a command (2 to 3 queries), if that is not known already. Raises CommandNotFound where its device has gone.

    One that is kept waits on, where it may yet be done and nothing else was commanded since. Done, it ends older ones that wait.
    """
    found = Command.objects.filter(pk=command_id).select_related("device")
    if (command := found.select_for_update(of=("self",)).first()) is None:
        raise CommandNotFound
    if command.state != State.UNDER_WAY:
        return command  # it was given up as lost, and what followed from that has happened
    now = timezone.now()
    command.was_on, command.answer_ms, command.error = was_on, answer_ms, str(error)[:200] if error else ""
    relay = Command.objects.filter(device=command.device_id, channel=command.channel)
    if error and _may_wait(command, error, now):
        wanted_since = relay.filter(pk__gt=command.pk, state__in=[State.DONE, State.UNDER_WAY, State.WAITING])
        command.state = State.CANCELLED if wanted_since.exists() else State.WAITING
    else:
        command.state = State.FAILED if error else State.DONE
    command.ended_at = None if command.state == State.WAITING else now
    command.save(update_fields=["was_on", "answer_ms", "error", "state", "ended_at"])
    if command.state == State.FAILED:
        _note_undone(command)
    if command.state == State.DONE:
        relay.filter(state=State.WAITING, pk__lt=command.pk).update(state=State.CANCELLED, ended_at=now)
    return command


def _may_wait(command: Command, error: NotSwitched, now: datetime) -> bool:
    """Tell whether a command is to be tried again.

    A toggle is not, which a device that was there did not answer: it may have been done, and another would undo it.
    """
    may_be_done = command.method == Method.TOGGLE and isinstance(error, DeviceSilent) and command.device.is_online
    return error.may_be_kept and not may_be_done and command.expires_at is not None and command.expires_at > now


def commands_waiting(device: Device) -> QuerySet[Command]:
    """Return the commands that are kept for a device, newest first, be it that one is tried right now."""
    return device.commands.filter(state__in=[State.WAITING, State.UNDER_WAY], expires_at__gt=timezone.now())


def command_cancel(*, device: Device, command_id: int) -> None:
    """Keep a command no longer; one that is tried right now may yet be done. Raises CommandNotFound where none is kept."""
    now = timezone.now()
    kept = commands_waiting(device).filter(pk=command_id)
    is_cancelled = kept.filter(state=State.WAITING).update(state=State.CANCELLED, ended_at=now)
    if not is_cancelled and not kept.update(expires_at=now):
        raise CommandNotFound


def commands_withdraw(*, schedule: Schedule) -> None:
    """End what a schedule has waiting for its device (1 query)."""
    Command.objects.filter(schedule=schedule.pk, state=State.WAITING).update(state=State.CANCELLED, ended_at=timezone.now())


async def command_give(
    *, device: Device, listener: Listener, order: Order, user: User | None, keep_for_s: int | None = None
) -> Command:
    """Record and send a command, or wait for whoever sends the same, and return it as it ended. Raises DeviceInactive.

    It goes on where its caller goes away: a command that is recorded is sent.
    """

    async def give() -> Command:
        arguments = {"device": device, "order": order, "user": user, "keep_for_s": keep_for_s}
        command, is_ours = await in_own_thread(command_record, **arguments)
        sending = command_begin(command, listener) if is_ours else _sending.get(command.pk)
        return await (sending or _awaited(command))

    return await asyncio.shield(_under_way(give()))


def command_begin(command: Command, listener: Listener) -> "asyncio.Task[Command]":
    """Begin to send a command that is this process's to send; the task ends with the command as it is recorded."""
    sending = _sending[command.pk] = _under_way(_send(command, listener))
    sending.add_done_callback(lambda _task: _sending.pop(command.pk, None))
    return sending


def _under_way(work: Coroutine[Any, Any, Command]) -> "asyncio.Task[Command]":
    """Start a task that nobody else needs to hold."""
    task = asyncio.create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


_tasks: set["asyncio.Task[Command]"] = set()
_sending: dict[int, "asyncio.Task[Command]"] = {}


async def _send(command: Command, listener: Listener) -> Command:
    order, started = Order(command.channel, command.on), time.monotonic()
    was_on, error = None, None
    try:
        result = await rpc().call(listener, order.method, order.params)
        was_on = result.get("was_on") if isinstance(result.get("was_on"), bool) else None
    except NotSwitched as raised:
        error = raised
    answer_ms = round((time.monotonic() - started) * 1000)
    return await in_own_thread(command_end, command_id=command.pk, was_on=was_on, answer_ms=answer_ms, error=error)


async def _awaited(command: Command) -> Command:
    """Return a command that another process sends, once that has recorded its end, or as it stands when nobody waits any more."""
    deadline = time.monotonic() + LOST_S
    while command.state == State.UNDER_WAY and time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
        try:
            await in_own_thread(command.refresh_from_db)
        except Command.DoesNotExist:
            raise CommandNotFound from None
    return command


def commands_claim(*, limit: int = 100) -> list[Command]:
    """Take waiting commands whose devices are there for this process to send, and end those that waited too long (6 queries).

    Of several processes each gets other ones.
    """
    now = timezone.now()
    _end_lost(Command.objects.all(), now)
    commands_expire(now)
    _end_essential(now)
    rested = Q(sent_at=None) | Q(sent_at__lt=now - timedelta(seconds=RETRY_S)) | Q(sent_at__lt=F("device__last_seen_at"))
    with transaction.atomic():
        due = Command.objects.filter(rested, state=State.WAITING, device__is_online=True, device__is_active=True)
        due = due.select_for_update(skip_locked=True, of=("self",)).select_related("device")
        # Those first that were not tried yet, or longest ago: many that fail again and again hold up no other.
        found = list(due.order_by(F("sent_at").asc(nulls_first=True), "pk")[:limit])
        Command.objects.filter(pk__in=[one.pk for one in found]).update(state=State.UNDER_WAY, sent_at=now)
    return found
