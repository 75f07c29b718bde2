"""What a meter said, typed; and the time that counts for it: the device's where it is credible, else the server's."""

from datetime import datetime, timedelta
from typing import NamedTuple

from telemetry.constants import DEVICE_TIME_AHEAD, DEVICE_TIME_PAST
from telemetry.shelly.component_kinds import Kind


class PayloadError(ValueError):
    """A message that can't be read or can't be true; `field` names the place, `str()` says why, in Spanish, for the API."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Sample(NamedTuple):
    """What a meter said of one channel.

    time: UTC, or None where the device did not say. power_w: active power, negative exports; None where the message tells of the relay
    alone, which makes no reading. energy_wh, returned_wh: the device's own
    counters of energy drawn from and returned to the grid, Wh, or None where the message carries none; what was drawn is below zero where
    the device counts both directions together and that counter alone was reset. kind: of the component that measures the channel.
    output: whether the channel's relay is on; None where it has none, or the message does not say.
    """

    channel: int
    time: datetime | None
    power_w: float | None
    voltage_v: float | None
    current_a: float | None
    energy_wh: float | None
    returned_wh: float | None
    kind: Kind = Kind.UNKNOWN
    output: bool | None = None


SECOND = timedelta(seconds=1)


def trusted_time(device_time: datetime | None, now: datetime) -> datetime:
    """Return the device's time where it is credible, else the server's `now`."""
    if device_time is not None and now - DEVICE_TIME_PAST <= device_time <= now + DEVICE_TIME_AHEAD:
        return device_time
    return now


def own_second(time: datetime, time_s: float = 0.0, newest_s: float = 0.0) -> datetime:
    """Return the second of a sample by a device's own clock: a channel has one a second at most, whatever fractions are invented.

    It is the next second where the device said something in this one before, so that the later fact is not lost. `time_s`, and `newest_s`
    of what it said last, are Unix times.
    """
    second = time.replace(microsecond=0)
    return second + SECOND if int(time_s) <= newest_s < time_s else second
