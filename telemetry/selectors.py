"""Reads of readings and buckets across devices."""

from datetime import datetime

from django.db import connection
from django.db.models import F, Sum

from accounts.models import Home
from devices.models import Device
from telemetry import sql
from telemetry.models import Hour


def last_readings(device_id: int) -> list[tuple[int, datetime, float, float | None, float | None]]:
    """Return the newest reading of each channel: channel, time, W, V, A (1 query)."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LAST_READINGS, [device_id])
        return cursor.fetchall()


def home_energy_wh(home: Home, start: datetime, end: datetime) -> float:
    """Return the Wh that the home drew from the grid in [start, end), to the hour (2 queries).

    Its mains alone where it has a device that measures the whole house, else all circuits.
    """
    devices = list(Device.objects.counting_for(home).values_list("id", flat=True))
    hours = Hour.objects.filter(device_id__in=devices, start__gte=start, start__lt=end)
    return hours.aggregate(wh=Sum(F("measured_wh") + F("recovered_wh")))["wh"] or 0.0
