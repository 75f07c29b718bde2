"""Registered devices as simulated meters."""

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from accounts.models import Home
from devices.exceptions import DeviceOfAnotherHome, DeviceTaken
from devices.models import Device
from devices.ownership.proofs import Proof
from devices.services import device_register
from devices.shelly_models import model_of
from devices.simulator import CircuitPlan, Meter, MeterState, kind_of_name, meter_build
from devices.simulator.appliances import KINDS, ROOMS

ZONE = ZoneInfo("America/Mexico_City")


def missing_register(*, home: Home, macs: Iterable[str]) -> list[Device]:
    """Register the meters that nobody has, named after rooms in turn, and return them. A meter that is somewhere stays there."""
    found = []
    for number, mac in enumerate(macs):
        turn, room = divmod(number, len(ROOMS))
        label = KINDS[ROOMS[room]].label
        try:
            name = f"{label} {turn + 1}" if turn else label
            found.append(device_register(home=home, hardware_id=mac, name=name, proof=Proof.STAFF))
        except (DeviceTaken, DeviceOfAnotherHome):
            continue
    return found


def meters_of(macs: Sequence[str], *, seed: str, states: Mapping[str, MeterState]) -> tuple[list[Meter], dict[str, int]]:
    """Return a meter for each MAC, and the device ids of those that are registered, by MAC (2 queries)."""
    rows = Device.objects.filter(hardware_id__in=macs).select_related("home").prefetch_related("channels")
    devices = {device.hardware_id: device for device in rows}
    meters = [
        meter_build(mac, _plan(number, devices.get(mac)), seed=seed, state=states.get(mac)) for number, mac in enumerate(macs)
    ]
    return meters, {mac: device.pk for mac, device in devices.items()}


def _plan(number: int, device: Device | None) -> CircuitPlan:
    """Return what a device measures by its model and names; the number chooses for one that nobody has registered."""
    if device is None:
        return CircuitPlan([ROOMS[number % len(ROOMS)]], ZONE)
    names = {channel.number: channel.name for channel in device.channels.all()}
    model = model_of(device.model)
    count = model.channel_count if model else max(names, default=0) + 1
    # By the id, so that a circuit whose name says nothing has the same load in every run.
    kinds = [
        kind_of_name(names.get(channel, device.name), device.pk + channel, is_main=device.is_main and count == 1)
        for channel in range(count)
    ]
    return CircuitPlan(kinds, ZoneInfo(device.home.time_zone), device.model)
