"""The meters of a home, what their relays are told, and what they have to tell."""

from devices.models.commands import Command
from devices.models.devices import Channel, Device, RoleChange
from devices.models.events import DeviceEvent, EventKind

__all__ = ["Channel", "Command", "Device", "DeviceEvent", "EventKind", "RoleChange"]
