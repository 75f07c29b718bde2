"""Changes laid over what a device last said, since a notification names only what changed. No Django, no clock, no I/O."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from telemetry.shelly.mqtt_messages import DATA_COMPONENT, Notice
from telemetry.shelly.samples import Sample
from telemetry.shelly.status import NAMES, measured_by, samples_of

Components = dict[str, dict[str, Any]]

# What a reading is made of; temperature, frequency and the like are left out, so they never make one.
LIVE = re.compile(r"(?:[abc]_)?(?:apower|act_power|voltage|current)")
COUNTER = re.compile(r"aenergy|ret_aenergy|(?:[abc]_)?total_act(?:_ret)?_energy")
MINUTE = timedelta(minutes=1)
# Energy is notified within 0.2 s after a full minute; a little more is allowed for a slow network of the device's own.
AFTER_MINUTE = timedelta(seconds=2)
# Below this a meter counts in lumps, so a minute's energy says little of the power in it.
LEAST_STEADY_W = 20.0


class Known(NamedTuple):
    """What is remembered of a device: its components' metering fields, and the last counter of each channel with its Unix time."""

    components: Components
    counters: dict[str, tuple[float, float]]


NOTHING = Known({}, {})


class Remembered(NamedTuple):
    """A device's last known status and how old it is; all times are Unix time, 0 for never.

    device_time: the newest on the device's own clock. kept: when it was kept. notified: when a notification with a frame last came.
    by_arrival: the newest that a reading got from our clock, since the message had no time of its own. prefix, prefix_at: the topic prefix
    that is the device's own, and when it was heard there.
    """

    known: Known = NOTHING
    device_time: float = 0.0
    kept: float = 0.0
    notified: float = 0.0
    by_arrival: float = 0.0
    prefix_at: float = 0.0
    prefix: str = ""


UNHEARD = Remembered()


def lay_over(known: Known, notice: Notice, at: datetime, *, max_power_w: float) -> tuple[Known, list[Sample]]:
    """Return what is known after the notice, and the readings that it makes at the given time. Raises PayloadError.

    A change without power or energy makes none, and neither does one that says again what is known already: the same fact on a
    second topic. A whole status always makes one, so that a steady load is seen, and what it does not name is gone (another profile).
    What measures a channel in the whole status measures it in each change, whichever component of that number the change names.
    """
    components = {name: one for name, one in known.components.items() if not notice.is_full or name in notice.components}
    touched: dict[str, bool] = {}
    for name, fields in notice.components.items():
        fresh = {key: value for key, value in fields.items() if _is_kept(key)}
        before = components.get(name, {})
        after = before | fresh
        if fresh and (notice.is_full or after != before):
            components[name] = after
            meter = _measured(name)
            touched[meter] = touched.get(meter, False) or not all(map(_is_live, fresh))
    meters = measured_by(components)
    bodies = dict(_bodies(components, touched))
    samples = [one for one in samples_of(bodies, at, max_power_w=max_power_w) if meters[one.channel] in touched]
    counted = [one for one in samples if one.energy_wh is not None]
    if not counted:
        return Known(components, known.counters), samples
    missed = [filled for one in counted for filled in _missed_minutes(components[meters[one.channel]], known.counters, one)]
    counters = {str(one.channel): (at.timestamp(), one.energy_wh) for one in counted if one.energy_wh is not None}
    return Known(components, known.counters | counters), [*missed, *samples]


@lru_cache(NAMES)
def _is_live(key: str) -> bool:
    return LIVE.fullmatch(key) is not None


@lru_cache(NAMES)
def _is_kept(key: str) -> bool:
    return _is_live(key) or COUNTER.fullmatch(key) is not None


@lru_cache(NAMES)
def _data_of(name: str) -> str:
    """Return the component that holds the energy of a meter."""
    return re.sub(r"^(em1?):", r"\1data:", name)


@lru_cache(NAMES)
def _measured(name: str) -> str:
    """Return the component whose power goes with the energy of a data component."""
    return name.replace("data", "", 1) if DATA_COMPONENT.fullmatch(name) else name


def _bodies(components: Components, touched: dict[str, bool]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the readings are made of: all live values, and counters only where they were said just now."""
    for name, with_counters in touched.items():
        fields = components.get(name, {})
        yield name, fields if with_counters else {key: value for key, value in fields.items() if _is_live(key)}
        data = _data_of(name)
        if with_counters and data != name and data in components:
            yield data, components[data]


def _missed_minutes(fields: dict[str, Any], counters: dict[str, tuple[float, float]], sample: Sample) -> Iterator[Sample]:
    """Yield readings of full minutes that nobody told us of, from the meter's own memory of the last three."""
    before = counters.get(str(sample.channel))
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


def remembered(raw: dict[str, Any] | None) -> Known:
    """Return what was kept as JSON; anything else than that counts as nothing."""
    if not isinstance(raw, dict) or not isinstance(raw.get("components"), dict) or not isinstance(raw.get("counters"), dict):
        return NOTHING
    return Known(raw["components"], {channel: (pair[0], pair[1]) for channel, pair in raw["counters"].items()})
