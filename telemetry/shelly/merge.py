"""A message merged into what its device said before, since a notification names only what changed. No Django, no clock, no I/O."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from telemetry.shelly.missed_minutes import missed_minutes
from telemetry.shelly.mqtt_messages import DATA_COMPONENT, DeviceMessage, names_device
from telemetry.shelly.samples import Sample, own_second, trusted_time
from telemetry.shelly.status import NAMES, measured_by, samples_of, with_outputs

Components = dict[str, dict[str, Any]]
Counters = dict[str, tuple[float, float]]

# What a reading is made of; temperature, frequency and the like are left out, so they never make one.
LIVE = re.compile(r"(?:[abc]_)?(?:apower|act_power|voltage|current)")
QUANTITIES = {"power", "voltage", "current"}
COUNTER = re.compile(r"aenergy|ret_aenergy|(?:[abc]_)?total_act(?:_ret)?_energy")
# Answers give their time in whole seconds, notifications in hundredths.
WHOLE_SECOND_S = 1.0
# What goes by our clock goes by the device's where that says that the message was held back: a counter's minute is up to 60 s old, and
# the clock may be behind.
HELD_BACK = timedelta(seconds=90)


class DeviceState(NamedTuple):
    """What a device said last, and when; all times are Unix time, 0 for never.

    components: their metering fields. counters: the last counter of each channel, as its time and Wh. device_time: the newest time by the
    device's own clock. server_time: the newest that a sample got by ours, since the message had no time of its own. changed_at: when the
    last message that changed this came. frame_at: when the last notification came, 0 again once status topics count. prefix, prefix_at: the
    topic prefix that is the device's own, and when the last message came under it.
    """

    components: Components = {}
    counters: Counters = {}
    device_time: float = 0.0
    server_time: float = 0.0
    changed_at: float = 0.0
    frame_at: float = 0.0
    prefix: str = ""
    prefix_at: float = 0.0


NO_STATE = DeviceState()


def time_of(message: DeviceMessage, state: DeviceState) -> tuple[datetime, bool]:
    """Return the time that counts for a message, and whether it is by the device's own clock.

    Status topics go by our clock, and then answers do so, too: one meter has one clock.
    """
    arrival = datetime.fromtimestamp(message.at, UTC)
    time = trusted_time(message.time, arrival)
    is_own = time is message.time
    if message.origin == "notification":
        return time, is_own
    is_ours = message.origin == "topic" or (state.server_time and not state.frame_at)
    if is_own and is_ours and arrival - time <= HELD_BACK:
        return arrival, False
    return time, is_own


def merge(
    state: DeviceState, message: DeviceMessage, time: datetime, *, is_own: bool, max_power_w: float
) -> tuple[DeviceState, list[Sample]]:
    """Return the state after a message of that time, and its samples. Raises PayloadError.

    The state stays the same object where it is newer by the device's own clock: then the message makes samples alone. There are none while
    the device's own clock is behind samples that went by ours.
    """
    time_s = time.timestamp()
    moment = own_second(time, time_s, state.device_time) if is_own else time
    components, counters, samples = changes(state, message, moment, max_power_w=max_power_w)
    if is_own and state.server_time and moment.timestamp() <= state.server_time:
        samples = []
    if is_own and time_s + (WHOLE_SECOND_S if message.is_full else 0.0) < state.device_time:
        return state, samples
    frame_at = {"notification": message.at, "answer": state.frame_at, "topic": 0.0}[message.origin]
    device_time = max(time_s, state.device_time) if is_own else state.device_time
    server_time = state.server_time if is_own else max(time_s, state.server_time)
    prefix = _prefix_after(message, state)
    return DeviceState(components, counters, device_time, server_time, message.at, frame_at, *prefix), samples


def _prefix_after(message: DeviceMessage, state: DeviceState) -> tuple[str, float]:
    """Return the device's own topic prefix, which is the first that it used, and when the last message came under it."""
    prefix = message.prefix
    if prefix and (prefix == state.prefix or not state.prefix or names_device(prefix, message.mac)):
        return prefix, message.at
    return state.prefix, state.prefix_at


def changes(
    state: DeviceState, message: DeviceMessage, at: datetime, *, max_power_w: float
) -> tuple[Components, Counters, list[Sample]]:
    """Return components and counters after the message, and the samples that it makes at the given time. Raises PayloadError.

    A change without power or energy makes no reading, and neither does one that says again what is known already, the same fact on a
    second topic; what it says of relays is a sample without power then. A whole status always makes one, so that a steady load is seen,
    and what it does not name is gone (another profile). What measures a channel in the whole status measures it in each change,
    whichever component of that number the change names.
    """
    components = {name: one for name, one in state.components.items() if not message.is_full or name in message.components}
    touched: dict[str, bool] = {}
    for name, fields in message.components.items():
        fresh = {key: value for key, value in fields.items() if _is_metering(key)}
        before = components.get(name, {})
        after = before | fresh
        if fresh and (message.is_full or after != before):
            components[name] = after
            meter = _measured(name)
            touched[meter] = touched.get(meter, False) or not all(map(_is_live, fresh))
    meters = measured_by(components)
    bodies = dict(_bodies(components, touched))
    samples = [one for one in samples_of(bodies, at, max_power_w=max_power_w) if meters[one.channel] in touched]
    counted = {str(one.channel): one for one in samples if one.energy_wh is not None}
    told = with_outputs(samples, message.components, at)
    if not counted:
        return components, state.counters, told
    missed = [
        filled
        for channel, one in counted.items()
        for filled in missed_minutes(components[meters[one.channel]], state.counters.get(channel), one)
    ]
    counters = {channel: (at.timestamp(), one.energy_wh) for channel, one in counted.items() if one.energy_wh is not None}
    return components, state.counters | counters, [*missed, *told]


def lacks_status(state: DeviceState, message: DeviceMessage) -> bool:
    """Tell whether the message, merged into the state, names a change to what nobody has told whole: power, voltage and current."""
    meters = [_measured(name) for name, fields in message.components.items() if any(map(_is_metering, fields))]
    return not message.is_full and not (
        state.components and all(set(map(_quantity, state.components.get(meter, ()))) >= QUANTITIES for meter in meters)
    )


@lru_cache(NAMES)
def _quantity(key: str) -> str:
    """Return which of QUANTITIES a field holds, empty for none."""
    return key.rpartition("_")[2].removeprefix("a") if _is_live(key) else ""


@lru_cache(NAMES)
def _is_live(key: str) -> bool:
    return LIVE.fullmatch(key) is not None


@lru_cache(NAMES)
def _is_metering(key: str) -> bool:
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
