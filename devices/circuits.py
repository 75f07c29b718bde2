"""What hangs on the channels of a device: the names, kinds and importance of its circuits."""

from collections.abc import Mapping
from typing import NamedTuple

from django.db import transaction

from devices import shelly_models as shelly
from devices.models import Channel, Device
from devices.schedules.services import schedules_stop_essential

FIELDS = ["name", "kind", "is_essential"]


class CircuitChange(NamedTuple):
    """What is said of a circuit; None leaves it as it is, and an empty kind takes back what was said."""

    name: str | None = None
    kind: str | None = None
    is_essential: bool | None = None


@transaction.atomic
def channels_fill(
    *, device: Device, changes: Mapping[int, CircuitChange] | None = None, before: Mapping[int, str] | None = None
) -> None:
    """Change circuits by channel number, and name every channel that the device's model has (2 to 3 queries).

    A channel takes the given name, else keeps its own, else gets one after the device. `before` holds the names after the device's
    former name or model: a channel that still bears one takes the new one, or goes if the model has no such channel and nobody has said
    what it is.
    """
    rows = {row.number: row for row in Channel.objects.filter(device=device)}
    changes = changes or {}
    wanted = _names(device, rows, changes, before or {})
    if rows.keys() - wanted.keys():
        Channel.objects.filter(device=device).exclude(number__in=wanted).delete()
    circuits = {number: rows.get(number) or Channel(device=device, number=number) for number in wanted}
    changed = [
        row
        for number, row in circuits.items()
        if _changed(row, changes.get(number, CircuitChange())._replace(name=wanted[number]))
    ]
    for row in changed:
        row.pk = None  # new and old ones go in one statement, by channel
    Channel.objects.bulk_create(changed, update_conflicts=True, unique_fields=["device", "number"], update_fields=FIELDS)
    if any(row.is_essential for row in circuits.values()):
        schedules_stop_essential(device=device)


def _names(
    device: Device, rows: Mapping[int, Channel], changes: Mapping[int, CircuitChange], before: Mapping[int, str]
) -> dict[int, str]:
    """Return the names of the channels that are to be, by number: what comes later prevails."""
    return {
        **dict.fromkeys((number for number, change in changes.items() if change != CircuitChange()), device.name),
        **{number: row.name for number, row in rows.items() if row.kind or row.is_essential},
        **own_names(device),
        **{number: row.name for number, row in rows.items() if row.name != before.get(number)},
        **{number: change.name for number, change in changes.items() if change.name},
    }


def _changed(row: Channel, change: CircuitChange) -> bool:
    """Make the circuit what is said of it, and tell whether that is new."""
    was = [getattr(row, field) for field in FIELDS]
    row.name = change.name or row.name
    if change.is_essential is not None:
        row.is_essential = change.is_essential
    elif change.kind not in {None, row.kind}:
        row.is_essential = row.essential_as(change.kind or "")
    row.kind = row.kind if change.kind is None else change.kind
    return row.pk is None or was != [getattr(row, field) for field in FIELDS]


def own_names(device: Device) -> dict[int, str]:
    """Return the names that the device's channels bear until somebody names them, by number: those that it has told, else its model's."""
    known = shelly.model_of(device.model)
    told = device.channel_numbers
    return shelly.channel_names(device.name, told if told is not None else range(known.channel_count) if known else ())
