"""The meters of a home, and what their relays are told."""

from devices.models.commands import Command
from devices.models.devices import Channel, Device, RoleChange

__all__ = ["Channel", "Command", "Device", "RoleChange"]
