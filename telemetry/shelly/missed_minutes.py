"""Samples of minutes that no message told of, from what a meter itself remembers: the energy of its last three full minutes.

No Django, no clock, no I/O.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from telemetry.shelly.samples import Sample

MINUTE = timedelta(minutes=1)
# Energy is notified within 0.2 s after a full minute; a little more is allowed for a slow network of the device's own.
AFTER_MINUTE = timedelta(seconds=2)
# Below this a meter counts in lumps, so a minute's energy says little of the power in it.
LEAST_STEADY_W = 20.0


def missed_minutes(fields: dict[str, Any], before: tuple[float, float] | None, sample: Sample) -> Iterator[Sample]:
    """Yield samples of the full minutes between the counter before (Unix time and Wh) and the sample, the oldest first.

    `fields` are those of the component that measures the channel.
    """
    if before and sample.time:
        yield from _minutes_between(before, sample, sample.time, _by_minute_wh(fields))


def _by_minute_wh(fields: dict[str, Any]) -> list[float]:
    """Return the Wh drawn in the last full minutes, newest first; empty where the device does not say, or not for both directions."""
    since, drawn = _minutes(fields.get("aenergy"))
    if "ret_aenergy" not in fields:
        return [one / 1000 for one in drawn]
    same, returned = _minutes(fields["ret_aenergy"])
    return [(one - other) / 1000 for one, other in zip(drawn, returned, strict=False)] if same == since else []


def _minutes(counter: object) -> tuple[object, list[float]]:
    """Return the start of the minute under way, and the mWh of the full ones before it, newest first."""
    values = counter.get("by_minute") if isinstance(counter, dict) else None
    if not isinstance(counter, dict) or not isinstance(values, list):
        return None, []
    return counter.get("minute_ts"), [float(value) for value in values if isinstance(value, int | float)]


def _minutes_between(before: tuple[float, float], sample: Sample, at: datetime, minutes_wh: list[float]) -> Iterator[Sample]:
    """Yield what the counter was at full minutes between two readings, oldest first, or nothing where it does not fit the older one."""
    edge = at.replace(second=0, microsecond=0)
    if at - edge > AFTER_MINUTE or sample.energy_wh is None:
        return
    counter, found = sample.energy_wh, []
    for used_wh in minutes_wh:
        edge, counter = edge - MINUTE, counter - used_wh
        if edge.timestamp() <= before[0] + 1:
            break
        power = used_wh * 60
        mean = power if abs(power) >= LEAST_STEADY_W else sample.power_w
        found.append(sample._replace(time=edge, power_w=mean, energy_wh=round(counter, 3)))
    if found and found[-1].energy_wh is not None and found[-1].energy_wh >= before[1] - 0.01:
        yield from reversed(found)
