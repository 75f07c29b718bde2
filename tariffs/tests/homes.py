"""Homes with a past: what circuits used, hour by hour, without the readings that it came from."""

from collections.abc import Callable
from datetime import datetime, timedelta

from devices.models import Device
from telemetry.models import Hour

HOUR = timedelta(hours=1)


def used_hourly(device: Device, start: datetime, end: datetime, wh: Callable[[datetime], float], *, channel: int = 0) -> float:
    """Let a circuit have used so many Wh in each hour of [start, end), all of it measured; return the kWh."""
    hours = []
    while start < end:
        hours.append(start)
        start += HOUR
    energy = [wh(hour) for hour in hours]
    Hour.objects.bulk_create(
        Hour(
            device_id=device.pk,
            channel=channel,
            start=hour,
            measured_wh=each,
            recovered_wh=0,
            returned_wh=0,
            covered_s=3600,
            samples=720,
            power_mean_w=each,
            flags=0,
        )
        for hour, each in zip(hours, energy, strict=True)
    )
    return sum(energy) / 1000
