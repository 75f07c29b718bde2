"""What a status says is wrong with its device. Source: the maker's description of `errors` and of `sys.restart_required`."""

from collections.abc import Mapping
from typing import Any

from devices.models import EventKind
from devices.notices import OF_DEVICE, Notice
from devices.shelly_models import channels_of
from telemetry.shelly.mqtt_messages import DeviceMessage

KINDS = {
    "overpower": EventKind.OVERPOWER,
    "overvoltage": EventKind.OVERVOLTAGE,
    "undervoltage": EventKind.UNDERVOLTAGE,
    "overcurrent": EventKind.OVERCURRENT,
    "overtemp": EventKind.OVERTEMPERATURE,
    "power_meter_failure": EventKind.METER_FAILED,
}
FIGURES = {"apower": "power_w", "act_power": "power_w", "voltage": "voltage_v", "current": "current_a"}


def notices_of(message: DeviceMessage) -> list[Notice]:
    """Return what a message says of its device. A status topic is the whole of its component."""
    found = []
    if message.needs_restart is not None:
        found.append(_restart(needed=message.needs_restart))
    if message.components:
        is_whole = message.is_full or message.origin == "topic"
        found += notices_in(message.components, is_whole=is_whole, is_change=not is_whole)
    return found


def notices_of_status(body: Mapping[str, Any]) -> list[Notice]:
    """Return what a posted status says: a whole one has its uptime, and in what a script chose nothing is said by being left out."""
    system = body["sys"]
    if "uptime" not in system:
        return notices_in(body, is_whole=False)
    return [_restart(needed=system.get("restart_required") is True), *notices_in(body, is_whole=True)]


def notices_in(components: Mapping[str, Any], *, is_whole: bool, is_change: bool = False) -> list[Notice]:
    """Return what the components say of their channels: where they are whole, that nothing is wrong, too."""
    found: dict[int | None, Notice] = {}
    for name, fields in components.items():
        if not isinstance(fields, dict) or not (is_whole or "errors" in fields) or not (channels := channels_of((name,))):
            continue
        channel = min(channels) if len(channels) == 1 else None  # of three phases nobody says which it is
        kinds, before = _kinds(fields.get("errors")), found.get(channel, Notice(channel))
        figures = {**before.figures, **_figures(fields)} if kinds else before.figures
        found[channel] = Notice(channel, before.kinds | kinds, figures=figures, is_change=is_change)
    return list(found.values())


def _restart(*, needed: bool) -> Notice:
    return Notice(None, OF_DEVICE if needed else frozenset(), OF_DEVICE)


def _kinds(errors: object) -> frozenset[EventKind]:
    """Return those of the errors that are ours; a device that has none leaves them out, or has an empty list, or null."""
    return (
        frozenset(KINDS[one] for one in errors if isinstance(one, str) and one in KINDS)
        if isinstance(errors, list)
        else frozenset()
    )


def _figures(fields: Mapping[str, Any]) -> dict[str, float]:
    found = {name: fields[key] for key, name in FIGURES.items() if type(fields.get(key)) in {int, float}}
    temperature = fields.get("temperature")
    if isinstance(temperature, dict) and type(temperature.get("tC")) in {int, float}:
        found["temperature_c"] = temperature["tC"]
    return found
