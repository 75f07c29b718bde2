"""Registered devices as simulated meters."""

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from accounts.models import Home
from devices.circuits import CircuitChange
from devices.exceptions import DeviceOfAnotherHome, DeviceTaken
from devices.models import Channel, Device
from devices.ownership.proofs import Proof
from devices.services import device_register
from devices.shelly_models import DEFAULT_PREFIX, model_of
from devices.simulator import CircuitPlan, Meter, MeterState, kind_of_name, meter_build
from devices.simulator.appliances import KINDS, ROOMS

ZONE = ZoneInfo("America/Mexico_City")


def missing_register(*, home: Home, macs: Iterable[str], models: Sequence[str] = (DEFAULT_PREFIX,)) -> list[Device]:
    """Register the meters that nobody has and return them; names go by rooms, and models, in turn. One that is somewhere stays there."""
    found = []
    for number, mac in enumerate(macs):
        turn, room = divmod(number, len(ROOMS))
        label = KINDS[ROOMS[room]].label
        try:
            name = f"{label} {turn + 1}" if turn else label
            plan = _invented_plan(number, models)
            names = [KINDS[kind].label for kind in plan.kinds] if len(plan.kinds) > 1 else []
            circuits = {channel: CircuitChange(each) for channel, each in enumerate(names)}
            hardware_id = f"{plan.model}-{mac}"
            found.append(device_register(home=home, hardware_id=hardware_id, name=name, circuits=circuits, proof=Proof.STAFF))
        except (DeviceTaken, DeviceOfAnotherHome):
            continue
    return found


def meters_of(
    macs: Sequence[str], *, seed: str, states: Mapping[str, MeterState], models: Sequence[str] = (DEFAULT_PREFIX,)
) -> tuple[list[Meter], dict[str, Device]]:
    """Return a meter for each MAC, and the devices that are registered, by MAC (2 queries). `models` are those of the others, in turn."""
    rows = Device.objects.filter(hardware_id__in=macs).select_related("home").prefetch_related("channels")
    devices = {device.hardware_id: device for device in rows}
    meters = [
        meter_build(
            mac,
            _plan(devices[mac]) if mac in devices else _invented_plan(number, models),
            seed=seed,
            state=states.get(mac),
        )
        for number, mac in enumerate(macs)
    ]
    return meters, devices


def own_topic_prefix(device: Device | None) -> str | None:
    """Return the topics' prefix of a device whose owner has set one; None where it speaks under its own id."""
    if device is None or model_of(device.mqtt_prefix):
        return None
    return f"{device.mqtt_prefix}-{device.hardware_id}"


def _invented_plan(number: int, models: Sequence[str]) -> CircuitPlan:
    """Return what a meter that nobody has registered measures: the number chooses its model and its rooms."""
    model = model_of(models[number % len(models)])
    if model is None:
        raise ValueError(f"{models[number % len(models)]} is no model")
    kinds = [ROOMS[(number + channel) % len(ROOMS)] for channel in range(model.channel_count)]
    return CircuitPlan(kinds, ZONE, model.prefix)


def _plan(device: Device) -> CircuitPlan:
    """Return what a device measures by its model and its circuits."""
    circuits = {circuit.number: circuit for circuit in device.channels.all()}
    model = model_of(device.model)
    count = model.channel_count if model else max(circuits, default=0) + 1
    kinds = [_kind(device, number, circuits.get(number), is_main=device.is_main and count == 1) for number in range(count)]
    return CircuitPlan(kinds, ZoneInfo(device.home.time_zone), device.model)


def _kind(device: Device, number: int, circuit: Channel | None, *, is_main: bool) -> str:
    """Return what a circuit draws like: what it is said to be, else what its name suggests."""
    if circuit and circuit.kind in KINDS:
        return circuit.kind
    # By the id, so that a circuit whose name says nothing has the same load in every run.
    return kind_of_name(circuit.name if circuit else device.name, device.pk + number, is_main=is_main)
