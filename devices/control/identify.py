"""Devices are asked what they are, once they are there and then once a day: their firmware changes."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from common.async_database import in_database
from devices import shelly_models as shelly
from devices.control.exceptions import NotSwitched
from devices.control.listeners import listener_of
from devices.control.rpc import Listener, rpc
from devices.learning import Identity, device_learn
from devices.models import Device

# How often a process looks for such devices, and how many it asks at once.
IDENTIFY_EVERY_S = 5.0
MOST_AT_ONCE = 20
AGAIN = timedelta(days=1)
# One that posts over HTTP alone hears no request.
AFTER_SILENCE = timedelta(hours=1)


async def devices_identify() -> int:
    """Ask devices that are due what they are, and return how many answered. Raises django.db.Error."""
    devices = await in_database(_claim, limit=MOST_AT_ONCE)
    return sum(await asyncio.gather(*map(_identify, devices)))


@transaction.atomic
def _claim(*, limit: int) -> Sequence[Device]:
    """Take devices that are due; of several processes each gets other ones (2 queries)."""
    now = timezone.now()
    due = Device.objects.filter(is_online=True, is_active=True, identify_at__lte=now)
    found = list(due.select_for_update(skip_locked=True, no_key=True).order_by("identify_at")[:limit])
    Device.objects.filter(pk__in=[one.pk for one in found]).update(identify_at=now + AFTER_SILENCE)
    return found


async def _identify(device: Device) -> bool:
    listener = await in_database(listener_of, device)
    try:
        said = await _asked(listener)
    except NotSwitched:
        return False
    await in_database(device_learn, device_id=device.pk, said=said, is_answer=True)
    await in_database(
        Device.objects.filter(pk=device.pk, hardware_id=device.hardware_id).update, identify_at=timezone.now() + AGAIN
    )
    return True


async def _asked(listener: Listener) -> Identity:
    """Return what the device says of itself. Raises NotSwitched."""
    info = await rpc().call(listener, "Shelly.GetDeviceInfo", {})
    status = await rpc().call(listener, "Shelly.GetStatus", {})
    identity = shelly.identity_of(str(info.get("id")))
    known = shelly.model_of(str(info.get("model")))
    model = identity.prefix if identity.hardware_id == listener.mac else known.prefix if known else None
    generation = info.get("gen")
    return Identity(
        model or "",
        shelly.channels_of(status),
        is_whole=True,
        firmware=_text(info.get("ver")),
        generation=generation if type(generation) is int and 0 < generation < 100 else None,
    )


def _text(value: Any) -> str:
    return value[:50] if isinstance(value, str) else ""
