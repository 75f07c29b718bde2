"""The status of metering components, as a Shelly writes it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from devices.simulator.shelly.hardware import Hardware

Body = dict[str, Any]
PHASES = ("a", "b", "c")
OPTIONAL = frozenset({"freq", "pf", "ret_aenergy", "temperature"})


class Counter(NamedTuple):
    """An energy counter: Wh now, and what it showed at the last four full minutes, newest first."""

    total_wh: float
    at_minutes_wh: tuple[float, ...]


class Measured(NamedTuple):
    """What one channel measures at a moment: W (negative returns energy), V, A, Hz, °C, and its counters."""

    channel: int
    power_w: float
    voltage_v: float
    current_a: float
    power_factor: float
    frequency_hz: float
    celsius: float
    drawn: Counter
    returned: Counter


def metering_components(kind: str, hardware: Hardware, channels: Sequence[Measured], minute: int | None) -> dict[str, Body]:
    """Return the components that measure the channels, by name. `minute` is when the current one began; None: the clock is not set."""
    if kind == "em":
        return _three_phases(channels)
    if kind == "em1":
        return {name: body for one in channels for name, body in _energy_meter(one)}
    return {f"{kind}:{one.channel}": _single(one, hardware, minute) for one in channels}


def temperature(celsius: float) -> Body:
    return {"tC": celsius, "tF": round(celsius * 1.8 + 32, 1)}


def _single(one: Measured, hardware: Hardware, minute: int | None) -> Body:
    """Return a `switch` or `pm1`: its counter `aenergy` counts both directions."""
    both = Counter(
        one.drawn.total_wh + one.returned.total_wh,
        tuple(a + b for a, b in zip(one.drawn.at_minutes_wh, one.returned.at_minutes_wh, strict=True)),
    )
    body = {
        "id": one.channel,
        "apower": one.power_w,
        "voltage": one.voltage_v,
        "freq": one.frequency_hz,
        "current": one.current_a,
        "pf": _power_factor(one),
        "aenergy": _counter(both, hardware.pulse_wh, minute),
        "ret_aenergy": _counter(one.returned, hardware.pulse_wh, minute),
        "temperature": temperature(one.celsius),
    }
    return {key: value for key, value in body.items() if key not in OPTIONAL or key in hardware.fields}


def _counter(counter: Counter, pulse_wh: float, minute: int | None) -> Body:
    total_wh, *marks_wh = (_whole_pulses(wh, pulse_wh) for wh in (counter.total_wh, *counter.at_minutes_wh))
    body: Body = {"total": round(total_wh, 3)}
    if minute is not None:
        body["by_minute"] = [round(1000 * max(0.0, later - earlier), 3) for later, earlier in pairwise(marks_wh)]
        body["minute_ts"] = minute
    return body


def _whole_pulses(wh: float, pulse_wh: float) -> float:
    return wh // pulse_wh * pulse_wh if pulse_wh else wh


def _power_factor(one: Measured) -> float:
    return one.power_factor if one.power_w else 0.0


def _apparent_va(one: Measured) -> float:
    return round(one.voltage_v * abs(one.current_a), 1)


def _energy_meter(one: Measured) -> Iterable[tuple[str, Body]]:
    """Yield an `em1` and its `em1data`, whose counters keep the directions apart."""
    yield (
        f"em1:{one.channel}",
        {
            "id": one.channel,
            "voltage": one.voltage_v,
            "current": one.current_a,
            "act_power": one.power_w,
            "aprt_power": _apparent_va(one),
            "pf": _power_factor(one),
            "freq": one.frequency_hz,
            "calibration": "factory",
        },
    )
    energy = {"total_act_energy": round(one.drawn.total_wh, 2), "total_act_ret_energy": round(one.returned.total_wh, 2)}
    yield f"em1data:{one.channel}", {"id": one.channel, **energy}


def _three_phases(channels: Sequence[Measured]) -> dict[str, Body]:
    meter: Body = {"id": 0}
    data: Body = {"id": 0}
    for phase, one in zip(PHASES, channels, strict=True):
        meter |= {
            f"{phase}_current": one.current_a,
            f"{phase}_voltage": one.voltage_v,
            f"{phase}_act_power": one.power_w,
            f"{phase}_aprt_power": _apparent_va(one),
            f"{phase}_pf": _power_factor(one),
            f"{phase}_freq": one.frequency_hz,
        }
        data[f"{phase}_total_act_energy"] = round(one.drawn.total_wh, 2)
        data[f"{phase}_total_act_ret_energy"] = round(one.returned.total_wh, 2)
    meter |= {
        "n_current": None,
        "total_current": round(sum(one.current_a for one in channels), 3),
        "total_act_power": round(sum(one.power_w for one in channels), 3),
        "total_aprt_power": round(sum(map(_apparent_va, channels)), 3),
        "user_calibrated_phase": [],
    }
    data["total_act"] = round(sum(one.drawn.total_wh for one in channels), 2)
    data["total_act_ret"] = round(sum(one.returned.total_wh for one in channels), 2)
    return {"em:0": meter, "emdata:0": data}
