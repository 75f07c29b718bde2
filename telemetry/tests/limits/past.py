"""What a circuit drew lately, stored."""

from datetime import datetime, timedelta

from devices.models import Device
from telemetry.models import FiveMinutes
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample


def power_store(device: Device, until: datetime, *powers: float, every_s: int = 10) -> None:
    """Store readings, of which the last is at `until`."""
    first = until - timedelta(seconds=every_s * (len(powers) - 1))
    times = (first + timedelta(seconds=every_s * place) for place in range(len(powers)))
    readings_store((device.pk, Sample(0, time, power, 127.0, 1.0, None, None)) for time, power in zip(times, powers, strict=True))


def energy_store(device: Device, start: datetime, *wh: float, covered_s: float = 300) -> None:
    """Store buckets of five minutes from `start` on."""
    FiveMinutes.objects.bulk_create(
        FiveMinutes(
            device_id=device.pk,
            channel=0,
            start=start + timedelta(minutes=5 * place),
            measured_wh=used,
            recovered_wh=0,
            returned_wh=0,
            covered_s=covered_s,
            samples=30,
        )
        for place, used in enumerate(wh)
    )
