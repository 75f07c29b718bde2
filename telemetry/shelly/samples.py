"""What a meter said, typed."""

from datetime import datetime
from typing import NamedTuple

from telemetry.shelly.component_kinds import Kind


class PayloadError(ValueError):
    """A message that can't be read or can't be true; `field` names the place, `str()` says why, in Spanish, for the API."""

    def __init__(self, message: str, field: str | None = None) -> None:
        """Keep the sentence and the place."""
        super().__init__(message)
        self.field = field


class Sample(NamedTuple):
    """One reading of one channel.

    time: UTC, or None where the device did not say. power_w: active power, negative exports. energy_wh, returned_wh: the device's own
    counters of energy drawn from and returned to the grid, Wh, or None where the message carries none; what was drawn is below zero where
    the device counts both directions together and that counter alone was reset. kind: of the component that measures the channel.
    """

    channel: int
    time: datetime | None
    power_w: float
    voltage_v: float | None
    current_a: float | None
    energy_wh: float | None
    returned_wh: float | None
    kind: Kind = Kind.UNKNOWN
