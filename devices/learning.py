"""What devices tell of themselves: their model and their channels, which a profile may change at any time.

The app registers every model as one. Each process compares what it hears with what is known of the device, without a query, and writes
down what is new.
"""

import time
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from common.async_database import in_database
from devices import shelly_models as shelly
from devices.circuits import channels_fill, own_names
from devices.events import event_record
from devices.models import Device, EventKind
from devices.registry import RegisteredDevice

# What somebody chose otherwise is told again and again; this often it is looked at.
TOLD_AGAIN_S = 600.0
MOST = 100_000
NO_CHANNELS: frozenset[int] = frozenset()


class Identity(NamedTuple):
    """What a device said of itself: the prefix of its id, empty where it did not say, and its channels, all of them where `is_whole`."""

    model: str = ""
    channels: frozenset[int] = NO_CHANNELS
    is_whole: bool = False
    firmware: str = ""
    generation: int | None = None


class Identities:
    """What one process heard and has not written yet."""

    def __init__(self) -> None:
        self._heard: dict[int, Identity] = {}
        self._told: dict[int, tuple[RegisteredDevice, Identity, float]] = {}

    def heard(self, device: RegisteredDevice, said: Identity) -> bool:
        """Take what a device said, and tell whether it is to be written."""
        if not said.is_whole:
            said = said._replace(channels=said.channels & device.bounds.channels)
        if not self._is_new(device, said):
            return False
        now = time.monotonic()
        before = self._told.get(device.device_id)
        if before is not None and before[:2] == (device, said) and now - before[2] < TOLD_AGAIN_S:
            return False
        if len(self._told) > MOST:
            self._told.clear()
        self._told[device.device_id] = device, said, now
        self._heard[device.device_id] = said
        return True

    async def write(self) -> None:
        """Write what was heard. Raises django.db.Error."""
        heard, self._heard = self._heard, {}
        for device_id, said in heard.items():
            await in_database(device_learn, device_id=device_id, said=said)

    @staticmethod
    def _is_new(device: RegisteredDevice, said: Identity) -> bool:
        if said.model and said.model != device.model:
            return True
        known = device.channels or NO_CHANNELS
        return bool(said.channels) and (said.channels != known if said.is_whole else not said.channels <= known)


@transaction.atomic
def device_learn(*, device_id: int, said: Identity, is_answer: bool = False) -> None:
    """Write down what a device told of itself, where it is new (1 query, or some more). What somebody chose stays as it is.

    Who is not known to be the device, since it is no answer to a request, can't tell of channels that its model has not.
    """
    device = Device.objects.select_for_update().filter(pk=device_id).first()
    if device is None:
        return
    before, was = own_names(device), device.model
    changes = _changes(device, said)
    if not is_answer and "channel_numbers" in changes:
        named = device.channels.values_list("number", flat=True)
        allowed = shelly.bounds_of(changes.get("model", was), named).channels
        changes["channel_numbers"] = sorted(allowed.intersection(changes["channel_numbers"]))
    if not changes:
        return
    for field, value in changes.items():
        setattr(device, field, value)
    device.save(update_fields=list(changes))
    now = own_names(device)
    channels_fill(device=device, before=before)
    if device.model != was or now.keys() != before.keys():
        details = {"model": device.model, "former_model": was, "channels": sorted(now)}
        event_record(device=device, kind=EventKind.MODEL_LEARNT, at=timezone.now(), details=details)


def _changes(device: Device, said: Identity) -> dict[str, Any]:
    """Return the new values of the fields that change."""
    found: dict[str, Any] = {"firmware": said.firmware or device.firmware, "generation": said.generation or device.generation}
    if said.model and not device.is_model_chosen:
        known = shelly.model_of(said.model)
        found["model"] = known.prefix if known else said.model[:50]
        # One that names no model is the owner's own, whoever knows of it.
        if not device.is_prefix_chosen and shelly.model_of(device.mqtt_prefix):
            found["mqtt_prefix"] = found["model"]
    if said.channels:
        others = () if said.is_whole else own_names(device)
        found["channel_numbers"] = sorted({*said.channels, *others})
    return {field: value for field, value in found.items() if value != getattr(device, field)}
