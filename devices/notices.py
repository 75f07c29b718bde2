"""What devices tell of what is wrong with them: an event when it begins, and its end when it is over, each once.

A healthy device says nothing of it at every message. What is wrong with any device is little, so each process remembers all of it, and
reads again every few seconds what others wrote: no message costs a query.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from common.async_database import in_database
from devices.events import event_record
from devices.models import Device, DeviceEvent, EventKind
from devices.models.events import LASTING

READ_EVERY_S = 10.0
MOST = 10_000
OF_DEVICE = frozenset({EventKind.RESTART_REQUIRED})
OF_CHANNEL = LASTING - OF_DEVICE
NONE: frozenset[EventKind] = frozenset()


class Notice(NamedTuple):
    """All that is wrong with a channel (None: the device), of what `judged` may be; with the figures of that moment.

    is_change: it was said because it has just changed.
    """

    channel: int | None
    kinds: frozenset[EventKind] = NONE
    judged: frozenset[EventKind] = OF_CHANNEL
    figures: Mapping[str, Any] = {}
    is_change: bool = False


class Heard(NamedTuple):
    """A notice of a device, and when it was so."""

    device_id: int
    notice: Notice
    at: datetime


class Notices:
    """What one process heard and has not written yet, and what is wrong as far as it knows."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._lasting: dict[tuple[int, int | None], frozenset[EventKind]] = {}
        self._read_at = -READ_EVERY_S

    def heard(self, device_id: int, notice: Notice, at: datetime) -> bool:
        """Take what a device said, and tell whether it is to be written. A change for the better is: another process knew of the worse."""
        known = self._lasting.get((device_id, notice.channel), NONE)
        if notice.kinds == known & notice.judged and (notice.kinds or not notice.is_change):
            return False
        if len(self._heard) >= MOST:
            return False
        self._lasting[device_id, notice.channel] = known - notice.judged | notice.kinds
        self._heard.append(Heard(device_id, notice, at))
        return True

    async def write(self) -> None:
        """Write what was heard, and read what lasts where that was a while ago. Raises django.db.Error."""
        heard, self._heard = self._heard, []
        now = time.monotonic()
        if heard:
            await in_database(notices_write, heard=heard)
        if now - self._read_at >= READ_EVERY_S:
            self._lasting = await in_database(lasting)
            self._read_at = now


@transaction.atomic
def notices_write(*, heard: Sequence[Heard]) -> None:
    """Record what has begun and end what is over, in the order in which it was heard."""
    devices = Device.objects.in_bulk([one.device_id for one in heard])
    for device_id, notice, at in heard:
        if (device := devices.get(device_id)) is None:
            continue
        for kind in sorted(notice.kinds):
            event_record(device=device, kind=kind, channel=notice.channel, at=at, details=notice.figures)
        over = device.events.filter(channel=notice.channel, kind__in=notice.judged - notice.kinds, ended_at=None, at__lte=at)
        over.update(ended_at=at)


def lasting() -> dict[tuple[int, int | None], frozenset[EventKind]]:
    """Return what is wrong now, by device and channel (1 query)."""
    found: dict[tuple[int, int | None], frozenset[EventKind]] = {}
    for device_id, channel, kind in DeviceEvent.objects.filter(ended_at=None).values_list("device_id", "channel", "kind"):
        found[device_id, channel] = found.get((device_id, channel), NONE) | {EventKind(kind)}
    return found
