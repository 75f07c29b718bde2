"""The meters of a home, what their relays are told and are, and what they have to tell."""

from devices.models.broker_accounts import BrokerAccountChange
from devices.models.commands import Command
from devices.models.devices import Channel, Device, Replacement, RoleChange
from devices.models.events import DeviceEvent, EventKind
from devices.models.relays import RelayState
from devices.models.schedules import Schedule

__all__ = [
    "BrokerAccountChange",
    "Channel",
    "Command",
    "Device",
    "DeviceEvent",
    "EventKind",
    "RelayState",
    "Replacement",
    "RoleChange",
    "Schedule",
]
