"""Shelly Gen2+ status payloads: bytes in, samples out, one exception. No Django, no clock.

Source: the maker's description of `switch`, `cover`, `pm1`, `em`, `em1` and their data components, of `light`, `rgb`, `rgbw` and `cct`,
and status dumps of real devices.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from devices.shelly_models import LED_CHANNELS, LIGHT_CHANNELS, MAX_CHANNEL, MAX_RELAY_POWER_W
from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.samples import PayloadError, Sample

MAX_VOLTAGE_V = 500.0
MAX_CURRENT_A = 1000.0
MAX_COUNTER_WH = 1e12
CHANNELS = [None if number in LED_CHANNELS else number for number in range(MAX_CHANNEL + 1)]  # no relay has such a number
PHASES = ("a", "b", "c")
COMPONENT = re.compile(r"(switch|cover|pm1|em|em1|light|rgb|rgbw|cct):(0|[1-9][0-9]{0,2})")
# An energy meter numbers its channels from 0, and so do the relays beside it: where both measure, the meter's word counts.
RANK = {kind: rank for rank, kind in enumerate(("em", "em1", "pm1", "switch", "cover", "light", "rgb", "rgbw", "cct"))}
KINDS = {kind: Kind[kind.upper()] for kind in RANK}
# LEDs run on 12 to 48 V, which says nothing of the mains; below this it is not the mains' voltage.
LEAST_MAINS_V = 60.0
NUMERIC = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
LEAST_ON_W = 1.0
# What no meter resolves; PostgreSQL refuses the products of much smaller numbers as an underflow.
LEAST = 1e-6
COUNTER_DECIMALS = 3
# Names come from the devices, a few dozen of them; a malicious one's can't fill the memory.
NAMES = 1024


class Status(NamedTuple):
    """A device's status: its MAC as 12 hex digits in lower case, and a sample for each metered channel."""

    mac: str
    samples: list[Sample]


def parse_status(raw: bytes, *, max_power_w: float) -> Status:
    """Read a status body as devices post it. Raises PayloadError, never anything else, whatever the bytes."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise PayloadError("El cuerpo de la petición no es JSON válido.") from None
    if not isinstance(body, dict):
        raise PayloadError("El cuerpo debe ser un objeto JSON.")
    system = body.get("sys")
    if not isinstance(system, dict):
        raise PayloadError("Falta el objeto sys con la MAC del dispositivo.", "sys")
    mac = _mac(system.get("mac"))
    samples = samples_of(body, device_time(system.get("unixtime")), max_power_w=max_power_w)
    if not samples:
        raise PayloadError("El mensaje no trae ninguna medición de potencia.")
    return Status(mac, with_outputs(samples, body, samples[0].time))


def samples_of(components: dict[str, Any], time: datetime | None, *, max_power_w: float) -> list[Sample]:
    """Return a sample for each metered channel among the components of a status, by channel. Raises PayloadError.

    Where several components measure a channel the meter of the highest rank counts, as RANK has them.
    """
    by_channel: dict[int, Sample] = {}
    for sample in _samples(components, time, max_power_w):
        by_channel.setdefault(sample.channel, sample)
    return [by_channel[channel] for channel in sorted(by_channel)]


def with_outputs(samples: list[Sample], components: dict[str, Any], time: datetime | None) -> list[Sample]:
    """Return the samples of a message with what it says of relays. A relay of which it says nothing else is a sample without power."""
    outputs = dict(_outputs(components))
    if not outputs:
        return samples
    found = [one._replace(output=outputs.pop(one.channel, None)) for one in samples]
    return found + [Sample(channel, time, None, None, None, None, None, output=output) for channel, output in outputs.items()]


def _outputs(components: dict[str, Any]) -> Iterator[tuple[int, bool]]:
    for kind, number, name in _components(components):
        output = _data(components, name).get("output") if kind == "switch" else None
        if isinstance(output, bool) and (channel := _channel(kind, number)) is not None:
            yield channel, output


def is_switched_on(components: dict[str, Any], power_w: float | None) -> bool | None:
    """Tell whether a device is switched on: any of its relays, or, where it has none, what it draws; None where nothing of it is said."""
    outputs = [one["output"] for one in components.values() if isinstance(one, dict) and isinstance(one.get("output"), bool)]
    if outputs:
        return any(outputs)
    has_relay = any(name.startswith("switch:") for name in components)
    return None if has_relay or power_w is None else abs(power_w) >= LEAST_ON_W


def _mac(value: object) -> str:
    if isinstance(value, str):
        bare = re.sub(r"[:.\-\s]", "", value).lower()
        if re.fullmatch(r"[0-9a-f]{12}", bare):
            return bare
    raise PayloadError("La MAC del dispositivo falta o no es válida.", "sys.mac")


def device_time(value: object) -> datetime | None:
    """Return the device's clock, or None where it has none or an absurd one; whether to trust it is decided later."""
    seconds = None if value is None else _number({"unixtime": value}, "unixtime", "sys", low=-1e300, high=1e300)
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 0 < seconds < 32_503_680_000 else None


def _samples(body: dict[str, Any], time: datetime | None, max_power_w: float) -> Iterator[Sample]:
    for kind, number, name in _components(body):
        component = body[name]
        if not isinstance(component, dict):
            raise PayloadError("Se esperaba un objeto.", name)
        if (channel := _channel(kind, number)) is None:
            raise PayloadError("Ningún modelo tiene un canal con este número.", name)
        if kind == "em":
            yield from _three_phases(component, _data(body, f"emdata:{number}"), name, time, max_power_w)
        else:
            data = _data(body, f"em1data:{number}") if kind == "em1" else component
            sample = _single(kind, component, data, name, channel, time, max_power_w)
            if sample is not None:
                yield sample


def measured_by(components: dict[str, Any]) -> dict[int, str]:
    """Return the name of the component that counts for each channel: of those whose metering works, the one of the highest rank."""
    found: dict[int, str] = {}
    for kind, number, name in _components(components):
        fields = _data(components, name)
        if kind == "em":
            channels = [channel for channel, phase in enumerate(PHASES) if fields.get(f"{phase}_act_power") is not None]
        else:
            channel = _channel(kind, number)
            channels = [channel] if channel is not None and fields.get(_power_key(kind)) is not None else []
        for channel in channels:
            found.setdefault(channel, name)
    return found


@lru_cache(NAMES)
def _channel(kind: str, number: int) -> int | None:
    """Return the channel that a component measures, None where there is no such component."""
    channels: Sequence[int | None] = LIGHT_CHANNELS.get(kind, CHANNELS)
    return channels[number] if number < len(channels) else None


def _components(body: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Return kind, number and name of the components that can measure, the highest rank first."""
    found = [component for name in body if (component := _component(name))]
    return found if len(found) < 2 else sorted(found, key=lambda one: RANK[one[0]])


@lru_cache(NAMES)
def _component(name: str) -> tuple[str, int, str] | None:
    match = COMPONENT.fullmatch(name)
    return (match[1], int(match[2]), name) if match else None


def _power_key(kind: str) -> str:
    return "act_power" if kind == "em1" else "apower"


def _data(body: dict[str, Any], name: str) -> dict[str, Any]:
    data = body.get(name)
    return data if isinstance(data, dict) else {}


def _single(
    kind: str, component: dict[str, Any], data: dict[str, Any], name: str, channel: int, time: datetime | None, max_power_w: float
) -> Sample | None:
    """Read a one-channel component; None where its metering is absent or failed (null power)."""
    max_power_w = max_power_w if kind == "em1" else min(max_power_w, MAX_RELAY_POWER_W)
    power = _number(component, _power_key(kind), name, low=-max_power_w, high=max_power_w)
    if power is None:
        return None
    if kind == "em1":
        drawn = _counter(data, "total_act_energy", f"em1data:{channel}")
        returned = _counter(data, "total_act_ret_energy", f"em1data:{channel}")
    else:
        drawn, returned = _shared_counters(component, name)
    voltage, current = _voltage_current(component, name, power)
    if voltage is not None and voltage < LEAST_MAINS_V and kind in LIGHT_CHANNELS:
        voltage = None
    return Sample(channel, time, power, voltage, current, drawn, returned, KINDS[kind])


def _shared_counters(component: dict[str, Any], name: str) -> tuple[float | None, float | None]:
    """Return energy drawn and returned of a component whose `aenergy` counts both directions.

    Where `aenergy` alone was reset, what is left for the energy drawn is below zero; the two of them tell both counters all the same.
    """
    total = _counter(_data(component, "aenergy"), "total", f"{name}.aenergy")
    returned = _counter(_data(component, "ret_aenergy"), "total", f"{name}.ret_aenergy")
    return (None, None) if total is None else (round(total - (returned or 0.0), COUNTER_DECIMALS), returned)


def _three_phases(
    component: dict[str, Any], data: dict[str, Any], name: str, time: datetime | None, max_power_w: float
) -> Iterator[Sample]:
    """Yield one sample a phase, as channels 0, 1 and 2: the numbers that the same meter gives them as three `em1`."""
    for channel, phase in enumerate(PHASES):
        power = _number(component, f"{phase}_act_power", name, low=-max_power_w, high=max_power_w)
        if power is not None:
            drawn = _counter(data, f"{phase}_total_act_energy", "emdata:0")
            returned = _counter(data, f"{phase}_total_act_ret_energy", "emdata:0")
            yield Sample(channel, time, power, *_voltage_current(component, name, power, f"{phase}_"), drawn, returned, Kind.EM)


def _voltage_current(component: dict[str, Any], name: str, power: float, prefix: str = "") -> tuple[float | None, float | None]:
    """Return voltage and current, None where they are not known.

    Scripts send 0 for what the device does not know. A device that speaks has a voltage, so 0 V is never one; 0 A can be true, but not
    beside a power and no voltage.
    """
    voltage = _number(component, f"{prefix}voltage", name, low=0.0, high=MAX_VOLTAGE_V)
    current = _number(component, f"{prefix}current", name, low=-MAX_CURRENT_A, high=MAX_CURRENT_A)
    if voltage == 0 and current == 0 and power:
        current = None
    return voltage or None, current


def _counter(data: dict[str, Any], key: str, place: str) -> float | None:
    counter = _number(data, key, place, low=0.0, high=MAX_COUNTER_WH)
    return None if counter is None else round(counter, COUNTER_DECIMALS)


def _number(data: dict[str, Any], key: str, place: str, *, low: float, high: float) -> float | None:
    """Return the number at the key (a numeric string will do), 0 where it is too small to matter, None where it is absent or null."""
    value = data.get(key)
    if value is None:
        return None
    if type(value) is float and LEAST <= value <= high and value >= low:  # nearly all are
        return value
    if isinstance(value, str):
        value = float(value) if NUMERIC.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError("El valor debe ser un número.", f"{place}.{key}")
    if not math.isfinite(value) or not low <= value <= high:
        raise PayloadError("El valor está fuera de lo posible.", f"{place}.{key}")
    return float(value) if abs(value) >= LEAST else 0.0
