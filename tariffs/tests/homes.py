"""Homes with a past: what circuits used, hour by hour, without the readings that it came from."""

from collections.abc import Callable
from datetime import datetime, timedelta

from devices.models import Device
from telemetry.models import Hour

HOUR = timedelta(hours=1)


def used_hourly(
    device: Device,
    start: datetime,
    end: datetime,
    wh: Callable[[datetime], float],
    *,
    channel: int = 0,
    returned_wh: Callable[[datetime], float] = lambda _hour: 0.0,
) -> float:
    """Let a circuit have used (and returned) so many Wh in each hour of [start, end), all of it measured; return the kWh used."""
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
            returned_wh=returned_wh(hour),
            covered_s=3600,
            samples=720,
            power_mean_w=each,
            flags=0,
        )
        for hour, each in zip(hours, energy, strict=True)
    )
    return sum(energy) / 1000


def used_evenly(device: Device, start: datetime, hours: int, kwh: float, channel: int = 0, covered_s: float = 3600) -> None:
    """Store so many hours in which the channel used so much together."""
    values = {"recovered_wh": 0, "returned_wh": 0, "covered_s": covered_s, "samples": 60, "measured_wh": 1000 * kwh / hours}
    times = [start + hour * HOUR for hour in range(hours)]
    Hour.objects.bulk_create(Hour(device_id=device.pk, channel=channel, start=time, **values) for time in times)


def by_day(hour: datetime) -> bool:
    return 15 <= hour.hour < 23  # 9:00 to 17:00 in Mexico City


def panels(meter: Device, start: datetime, end: datetime, returned_wh: float = 900.0) -> None:
    """Let a home draw 500 W by night, and return so much each hour of the day."""
    used_hourly(
        meter,
        start,
        end,
        lambda hour: 0.0 if by_day(hour) else 500.0,
        returned_wh=lambda hour: returned_wh if by_day(hour) else 0.0,
    )
