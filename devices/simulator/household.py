"""Which meters a simulated home has, and what they wrote before now."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from devices.simulator.appliances import HOUSE, KINDS, ROOMS
from devices.simulator.load_curve import Curve
from devices.simulator.shelly.meter import Meter, MeterState, Reading


class CircuitPlan(NamedTuple):
    """What a meter measures: a kind of `appliances.KINDS` per channel, and the zone in which its home lives."""

    kinds: Sequence[str]
    zone: ZoneInfo
    model: str = "shellyplus1pm"


def invented_macs(count: int, seed: str) -> list[str]:
    """Return MACs that no maker gives out (locally administered), the same for the same seed, all different."""
    macs: dict[str, None] = {}
    number = 0
    while len(macs) < count:
        macs["02" + hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()[:10]] = None
        number += 1
    return list(macs)


def kind_of_name(name: str, number: int, *, is_main: bool = False) -> str:
    """Return the kind of load that a circuit's name suggests; a name that says nothing gets one by its number."""
    if is_main:
        return HOUSE
    words = name.casefold()
    named = (kind for kind, facts in KINDS.items() if kind != HOUSE and any(word in words for word in facts.words))
    return next(named, ROOMS[number % len(ROOMS)])


def meter_build(mac: str, plan: CircuitPlan, *, seed: str, state: MeterState | None = None) -> Meter:
    """Return the meter with the MAC; each channel's load depends on seed, MAC and channel."""
    curves = [Curve(f"{seed}/{mac}/{channel}", kind, plan.zone) for channel, kind in enumerate(plan.kinds)]
    return Meter(mac, curves, seed=seed, model=plan.model, state=state)


def history(meters: Iterable[tuple[int, Meter]], start: float, end: float, step_s: int) -> Iterator[tuple[int, Reading]]:
    """Yield `(device id, reading)` of every meter over [start, end], meter by meter, channel by channel, oldest first."""
    for device_id, meter in meters:
        for reading in meter.history(start, end, step_s):
            yield device_id, reading
