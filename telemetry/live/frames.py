"""What phones get of a device: its channels as last known, and one frame for each message. No Django, no clock, no I/O."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isclose
from typing import NamedTuple

import orjson

# A channel silent for longer than this before the newest one is part of no sum: a device that changed its profile no longer has it.
# What has a load says so every minute.
CHANNEL_LIFE_S = 600.0
# Sums of figures that devices give in tenths to thousandths.
DECIMALS = 3
# Readings are stored with six digits.
STORED_PRECISION = 1e-5
NONE_SAID: Mapping[int, bool] = {}


class LiveReading(NamedTuple):
    """The last reading of a channel: Unix time, W, V, A (None where nobody knows)."""

    channel: int
    at: float
    power_w: float
    voltage_v: float | None
    current_a: float | None


class LiveChannels:
    """The channels of one device as last read, and whether their relays are on."""

    def __init__(self) -> None:
        self._channels: dict[int, LiveReading] = {}
        self._outputs: dict[int, bool] = {}

    @property
    def newest(self) -> float:
        """When a channel was last read, Unix time; 0 where none ever was."""
        return max((one.at for one in self._channels.values()), default=0.0)

    def knows(self, message: Iterable[LiveReading], outputs: Mapping[int, bool] = NONE_SAID) -> bool:
        """Tell whether a message holds nothing that is newer than what is known, or is other than that at the same time."""
        return outputs.items() <= self._outputs.items() and all(self._knows(one) for one in message)

    def _knows(self, one: LiveReading) -> bool:
        known = self._channels.get(one.channel)
        if known is None or one.at != known.at:
            return known is not None and one.at < known.at
        return isclose(one.power_w, known.power_w, rel_tol=STORED_PRECISION)

    def learn(self, message: Iterable[LiveReading], outputs: Mapping[int, bool] = NONE_SAID) -> None:
        """Take in what was just said; of two messages the later one to come counts, whatever their clocks."""
        self._channels |= {one.channel: one for one in message}
        self._outputs |= outputs

    def recall(self, stored: Iterable[LiveReading], outputs: Mapping[int, bool] = NONE_SAID) -> None:
        """Take in what the database knows, where nothing newer has come."""
        self._outputs = {**outputs, **self._outputs}
        known = {number: one.at for number, one in self._channels.items()}
        self.learn([one for one in stored if one.at > known.get(one.channel, 0.0)])

    def frame(self, at: float) -> str | None:
        """Return the frame of a message of that Unix time: sums over the channels, and each of them; None where no power is known."""
        channels = {number: one for number, one in self._channels.items() if at - one.at <= CHANNEL_LIFE_S}
        return frame(channels, self._outputs, at) if channels else None


def frame(channels: Mapping[int, LiveReading], outputs: Mapping[int, bool], at: float) -> str:
    """Return a live frame. The app reads numbers only, so a voltage or current that is not known is 0."""
    ordered = [one for _number, one in sorted(channels.items())]
    return orjson.dumps(
        {
            "watts": round(sum(one.power_w for one in ordered), DECIMALS),
            "volts": next((one.voltage_v for one in ordered if one.voltage_v), 0.0),
            "amps": round(sum(one.current_a or 0.0 for one in ordered), DECIMALS),
            "time": _iso(at),
            "channels": [
                {
                    "channel": one.channel,
                    "watts": one.power_w,
                    "volts": one.voltage_v or 0.0,
                    "amps": one.current_a or 0.0,
                    "output": outputs.get(one.channel),
                    "time": _iso(one.at),
                }
                for one in ordered
            ],
        }
    ).decode()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
