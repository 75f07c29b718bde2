"""Limits that are passed: their circuits are told to switch off, and their homes are told of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction

from devices.control.commands import Order, command_keep
from devices.events import event_record
from devices.models import Command, EventKind
from telemetry.history.window import local_midnight
from telemetry.limits.figures import EnergyQuestion, PowerQuestion, current_stretches, longest_gap, uses
from telemetry.models import Limit

log = structlog.get_logger(__name__)
# A circuit that could not be switched off by then is not: what it draws may be another thing by now.
KEEP_FOR_S = 600


class Passing(NamedTuple):
    """A limit that is passed, since when, and with which figures."""

    limit: Limit
    at: datetime
    details: dict[str, Any]


def limits_check(now: datetime) -> int:
    """Have every circuit switched off that has passed a limit anew; return how many were (3 queries, and about 10 for each of these)."""
    limits = list(Limit.objects.in_force().select_related("device__home"))
    passed = [
        *_by_power([limit for limit in limits if limit.power_w is not None], now),
        *_by_energy([limit for limit in limits if limit.kwh_a_day is not None], now),
    ]
    return sum(_switch_off(one) for one in passed)


def _by_power(limits: Sequence[Limit], now: datetime) -> Iterator[Passing]:
    found = current_stretches([_question(limit, now) for limit in limits], now)
    for place, stretch in found.items():
        limit = limits[place]
        figures = {"power_w": limit.power_w, "minutes": limit.minutes, "mean_power_w": round(stretch.mean_w, 1)}
        yield Passing(limit, stretch.until, figures | {"since": stretch.since})


def _question(limit: Limit, now: datetime) -> PowerQuestion:
    """Ask for readings from so early on that the first may be a gap before the minutes begin, and the last a gap old.

    Of a circuit that was switched on again only what it drew since counts.
    """
    lasting = timedelta(minutes=limit.minutes or 0)
    start, passed_at = now - lasting - 2 * longest_gap(), limit.passed_at
    if passed_at and limit.on_since and limit.on_since > passed_at:
        start, passed_at = max(start, limit.on_since), None
    return PowerQuestion(limit.device_id, limit.channel, limit.power_w or 0.0, lasting, start, passed_at)


def _by_energy(limits: Sequence[Limit], now: datetime) -> Iterator[Passing]:
    """Yield the limits that today's known energy has reached and that have not switched off today."""
    asked = []
    for limit in limits:
        zone = ZoneInfo(limit.device.home.time_zone)
        midnight = local_midnight(now.astimezone(zone).date(), zone)
        if limit.passed_at is None or limit.passed_at < midnight:
            wh = (limit.kwh_a_day or 0.0) * 1000
            asked.append((limit, EnergyQuestion(limit.device_id, limit.channel, midnight, now, wh)))
    for (limit, question), use in zip(asked, uses([question for _limit, question in asked]), strict=True):
        if use.passed_at is not None and use.wh is not None:
            known_share = min(use.known_s / (now - question.start).total_seconds(), 1.0)
            figures = {"kwh_a_day": limit.kwh_a_day, "kwh": round(use.wh / 1000, 3), "known_share": round(known_share, 3)}
            yield Passing(limit, now, figures | {"date": question.start.date()})


@transaction.atomic
def _switch_off(passing: Passing) -> bool:
    """Keep the command for the device, and tell its home; False where another process has, or the limit is not in force any more."""
    limit = passing.limit
    mine = Limit.objects.in_force().filter(pk=limit.pk, passed_at=limit.passed_at)
    if not mine.update(passed_at=passing.at):
        return False
    order, cause = Order(limit.channel, on=False), Command.Cause.LIMIT
    command = command_keep(device=limit.device, order=order, cause=cause, keep_for_s=KEEP_FOR_S)
    details = {"limit_id": limit.pk, "command_id": command.pk} | passing.details
    event_record(device=limit.device, channel=limit.channel, kind=EventKind.LIMIT_PASSED, details=details)
    log.info("limit_passed", limit=limit.pk, device=limit.device_id, channel=limit.channel)
    return True
