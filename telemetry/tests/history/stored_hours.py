"""Hours of a device, stored, and where history is asked for."""

from datetime import UTC, datetime

from devices.models import Device
from telemetry.history.window import hour_of
from telemetry.models import FiveMinutes, Hour

GRAPH = "/api/v1/history/graph"
DAYS = "/api/v1/history/last7days"


def add(device: Device, start: datetime, wh: float, *, channel: int = 0, model: type[Hour] | type[FiveMinutes] = Hour) -> None:
    model.objects.create(
        device_id=device.pk,
        channel=channel,
        start=start,
        measured_wh=wh * 0.75,
        recovered_wh=wh * 0.25,
        returned_wh=1.0,
        covered_s=3600,
        samples=60,
        power_mean_w=wh,
        power_max_w=wh,
        voltage_v=127.0,
        current_a=wh / 127,
    )


def this_hour() -> datetime:
    return hour_of(datetime.now(UTC))


def store_hour(
    device: Device,
    start: datetime,
    wh: float,
    covered_s: float = 3600,
    *,
    recovered_wh: float = 0,
    channel: int = 0,
    flags: int = 0,
) -> None:
    """Store an hour of which `covered_s` seconds are covered; what is recovered comes on top of `wh`."""
    Hour.objects.create(
        device_id=device.pk,
        channel=channel,
        start=start,
        measured_wh=wh,
        recovered_wh=recovered_wh,
        returned_wh=0,
        covered_s=covered_s,
        samples=1,
        power_mean_w=wh,
        voltage_v=127,
        current_a=wh / 127,
        flags=flags,
    )
