"""Writes what devices have to tell their households."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from devices.models import Device, DeviceEvent, EventKind
from devices.models.events import LASTING


def event_record(
    *,
    device: Device,
    kind: EventKind,
    channel: int | None = None,
    at: datetime | None = None,
    details: Mapping[str, Any] | None = None,
) -> tuple[DeviceEvent, bool]:
    """Record an event, now unless `at` says when, and tell whether it is new (2 to 4 queries).

    What lasts is told once until it ends, anything else once for its moment: so recording it twice is harmless, also at once.
    """
    at = at or timezone.now()
    same: dict[str, Any] = {"device": device, "channel": channel, "kind": kind}
    same |= {"ended_at": None} if kind in LASTING else {"at": at}
    fresh = {"at": at, "ended_at": None if kind in LASTING else at, "details": dict(details or {})}
    return DeviceEvent.objects.get_or_create(**same, defaults=fresh)


def event_end(*, device: Device, kind: EventKind, channel: int | None = None, at: datetime | None = None) -> bool:
    """End an event that lasts, and tell whether there was one (1 query)."""
    lasting = DeviceEvent.objects.filter(device=device, channel=channel, kind=kind, ended_at=None)
    return bool(lasting.update(ended_at=at or timezone.now()))
