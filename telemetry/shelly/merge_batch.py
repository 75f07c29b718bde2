"""A batch of notices laid over what is known of their devices: readings, and what is known from then on. No Django, no clock, no I/O."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from telemetry.ingest.clock import own_second, trusted_time
from telemetry.mqtt.topic_prefixes import proved
from telemetry.shelly.merge import UNHEARD, Known, Remembered, lay_over
from telemetry.shelly.mqtt_messages import Notice
from telemetry.shelly.samples import PayloadError, Sample

# PayloadError, and what nobody thought of: a message that can't be read would come again for ever, and hold up all others.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
# Answers tell their time in whole seconds, notifications in hundredths.
WHOLE_SECOND_S = 1.0
# What goes by our clock goes by the device's where that says that the message was kept back: a counter's minute is up to 60 s old, and
# the clock may be behind.
KEPT_BACK = timedelta(seconds=90)

Refuse = Callable[[str, str], None]
# Whether a device may say one more thing at that time, Unix time.
Admits = Callable[[str, float], bool]
# By channel and time.
Readings = dict[tuple[int, datetime | None], Sample]


class Heard(NamedTuple):
    """What the device with the MAC said, and when it arrived (Unix time)."""

    mac: str
    notice: Notice
    at: float


class Laid(NamedTuple):
    """A batch laid over the memory: what was heard, what is new of each device, and the readings of each device heard."""

    heard: list[Heard]
    changed: dict[str, Remembered]
    readings: dict[str, Readings]


def lay(heard: list[Heard], known: Mapping[str, Remembered], *, max_power_w: float, admits: Admits, refuse: Refuse) -> Laid:
    """Lay the notices over what is known, in their order.

    Those that can't be true and those that are too many are given to `refuse`, with the reason.
    """
    laid = Laid(heard, {}, {one.mac: {} for one in heard})
    for one in heard:
        mac, notice, at = one
        if not notice.components:
            continue
        before = laid.changed.get(mac) or known.get(mac, UNHEARD)
        time, is_own = _time_of(notice, before, datetime.fromtimestamp(at, UTC))
        time_s = time.timestamp()
        if not admits(mac, time_s):
            refuse(mac, "more messages than a meter has to say")
            continue
        moment = own_second(time, time_s, before.device_time) if is_own else time
        try:
            after, samples = lay_over(before.known, notice, moment, max_power_w=max_power_w)
        except UNREADABLE as error:
            refuse(mac, reason(error))
            continue
        if not (is_own and _is_late(time_s, notice, before)):
            laid.changed[mac] = _remembered(after, one, before, time_s, is_own=is_own)
        if not (is_own and before.by_arrival and moment.timestamp() <= before.by_arrival):
            _add(laid.readings[mac], samples)
    return laid


def _time_of(notice: Notice, before: Remembered, arrival: datetime) -> tuple[datetime, bool]:
    """Return the time that counts, and whether it is the device's own.

    Status topics go by our clock, and then answers do so, too: one meter has one clock.
    """
    time = trusted_time(notice.time, arrival)
    is_own = time is notice.time
    if notice.origin == "notification":
        return time, is_own
    is_ours = notice.origin == "topic" or (before.by_arrival and not before.notified)
    if is_own and is_ours and arrival - time <= KEPT_BACK:
        return arrival, False
    return time, is_own


def _remembered(known: Known, heard: Heard, before: Remembered, time_s: float, *, is_own: bool) -> Remembered:
    """Return what to remember after a notice; the readings of its device's own clock wait until that has passed those of ours."""
    mac, notice, at = heard
    notified = at if notice.origin == "notification" else before.notified if notice.origin == "answer" else 0.0
    prefix, prefix_at = proved(notice.speaker.prefix, mac, before, at)
    device_time = max(time_s, before.device_time) if is_own else before.device_time
    by_arrival = before.by_arrival if is_own else max(time_s, before.by_arrival)
    return Remembered(known, device_time, at, notified, by_arrival, prefix_at, prefix)


def reason(error: Exception) -> str:
    """Return what to tell of a message that can't be used."""
    return str(error) if isinstance(error, PayloadError) else f"{type(error).__name__}: {error}"


def power_w(readings: Readings) -> float | None:
    """Return the last power of all channels together."""
    last = {channel: sample.power_w for (channel, _time), sample in readings.items()}
    return sum(last.values()) if last else None


def _is_late(own_s: float, notice: Notice, before: Remembered) -> bool:
    """Tell whether what is known is newer, by the device's own clock: then the notice makes readings and changes nothing known."""
    return own_s + (WHOLE_SECOND_S if notice.is_full else 0.0) < before.device_time


def _add(readings: Readings, samples: Iterable[Sample]) -> None:
    """Add readings; of two for the same moment the later one counts, with the counter that either has."""
    for sample in samples:
        key = (sample.channel, sample.time)
        earlier = readings.get(key)
        if earlier is not None and sample.energy_wh is None:
            sample = sample._replace(energy_wh=earlier.energy_wh, returned_wh=earlier.returned_wh)
        readings[key] = sample
