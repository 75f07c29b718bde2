"""A past to export, and its end: two meters, one of two channels, over some hours with a gap and a restart of a counter."""

import random
from datetime import UTC, datetime, timedelta

from django.db import connection

from devices.models import Device
from telemetry.models import FiveMinutes, Hour, LateSpan, Reading, RollupState
from telemetry.rollup import run as rollups
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample

HOURS = 5


def forget() -> None:
    """Delete every reading, and what was computed from it."""
    for model in (Reading, FiveMinutes, Hour, LateSpan, RollupState):
        model.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM telemetry_series")


def some_hours_ago(hours: int = 30) -> datetime:
    return (datetime.now(UTC) - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)


def past_store(meter: Device, other: Device, start: datetime) -> None:
    dice = random.Random(7)
    readings_store((meter.pk, one) for one in _samples(dice, start, 0, counted=True))
    readings_store((meter.pk, one) for one in _samples(dice, start, 1, counted=False))
    readings_store((other.pk, one) for one in _samples(dice, start + timedelta(minutes=7), 0, counted=True))
    rollups.rollup()


def _samples(dice: random.Random, start: datetime, channel: int, *, counted: bool) -> list[Sample]:
    samples, counter, time = [], 1_234.567, start
    while time < start + timedelta(hours=HOURS):
        power = dice.uniform(-200, 3000)
        counter = counter + max(power, 0) * 20 / 3600
        if timedelta(hours=3) < time - start < timedelta(hours=3, seconds=20):
            counter = 0.1
        if not timedelta(hours=1) < time - start < timedelta(hours=1, minutes=50):
            voltage = dice.uniform(119, 131) if dice.random() > 0.1 else None
            samples.append(Sample(channel, time, power, voltage, power / 127, counter if counted else None, None))
        time += timedelta(seconds=20, microseconds=dice.randrange(10) * 7)
    return samples
