"""Reads of readings and buckets across devices."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Max, Min, Q, Sum
from django.db.models.expressions import Combinable

from accounts.models import Home
from devices.models import Device
from telemetry import history_sql, sql
from telemetry.coverage import CircuitUse
from telemetry.coverage_sql import CIRCUIT_USES
from telemetry.history import Window
from telemetry.live_state import Heard
from telemetry.models import Hour


class Step(NamedTuple):
    """What some circuits did in one step: Wh drawn and returned, mean seconds covered, and mean W, V and A (None: nobody knows)."""

    drawn_wh: float
    returned_wh: float
    covered_s: float
    power_w: float | None
    voltage_v: float | None
    current_a: float | None


class Measured(NamedTuple):
    """The Wh that a device has ever measured, and its first and last hour."""

    energy_wh: float
    first: datetime
    last: datetime


def measured_by(device_ids: Sequence[int]) -> dict[int, Measured]:
    """Return what the devices have ever measured, by id, without those that have measured nothing (1 query)."""
    energy = Sum(F("measured_wh") + F("recovered_wh"))
    hours = Hour.objects.filter(device_id__in=device_ids).values_list("device_id")
    rows = hours.annotate(energy_wh=energy, first=Min("start"), last=Max("start"))
    return {device_id: Measured(*measured) for device_id, *measured in rows}


def last_readings(device_id: int, since: datetime) -> list[Heard]:
    """Return the newest reading of each channel that was read since a time (1 query)."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LAST_READINGS, [since, device_id])
        return [Heard(channel, time.timestamp(), *measured) for channel, time, *measured in cursor.fetchall()]


def counting_ids(home: Home) -> list[int]:
    """Return the devices that make the home's total: those that measure the whole house where there are some, else all (2 queries)."""
    return list(Device.with_retired.counting_for(home).order_by("id").values_list("id", flat=True))


def home_energy_wh(home: Home, *edges: datetime) -> list[float]:
    """Return the Wh that the home drew from the grid between each two consecutive edges, which are whole hours (3 queries)."""
    return energy_wh(counting_ids(home), *edges)


def energy_wh(devices: Sequence[int], *edges: datetime) -> list[float]:
    """Return the Wh that the devices drew between each two consecutive edges, which are whole hours (1 query).

    Two edges may be one: in the first hour of a cycle there is no whole hour of it yet.
    """
    return _sums(F("measured_wh") + F("recovered_wh"), devices, edges)


def returned_wh(devices: Sequence[int], *edges: datetime) -> list[float]:
    """Return the Wh that the devices returned to the grid between each two consecutive edges, which are whole hours (1 query)."""
    return _sums(F("returned_wh"), devices, edges)


def _sums(energy: Combinable, devices: Sequence[int], edges: Sequence[datetime]) -> list[float]:
    hours = Hour.objects.filter(device_id__in=devices, start__gte=edges[0], start__lt=edges[-1])
    spans = {f"span_{number}": Q(start__gte=start, start__lt=end) for number, (start, end) in enumerate(pairwise(edges))}
    found = hours.aggregate(**{name: Sum(energy, filter=span) for name, span in spans.items()})
    return [found[name] or 0.0 for name in spans]


def circuit_uses(device_ids: Sequence[int], edges: Sequence[datetime]) -> list[list[CircuitUse]]:
    """Return what each circuit did in each span between consecutive edges, which are whole hours that rise (1 query).

    An hour is known for the time that readings cover. Where a counter moved across a gap, the hour's energy is known though nobody
    saw it flow (recovered), so the whole hour is. A circuit without any hour in a span is not in it: it may not have been there yet.
    """
    spans: list[list[CircuitUse]] = [[] for _ in edges[1:]]
    with connection.cursor() as cursor:
        cursor.execute(CIRCUIT_USES, [list(edges), list(device_ids), edges[0], edges[-1]])
        for span, energy_wh, known_s in cursor.fetchall():
            length_s = (edges[span + 1] - edges[span]).total_seconds()
            spans[span].append(CircuitUse(energy_wh, min(known_s / length_s, 1.0)))
    return spans


def history(device_ids: Sequence[int], window: Window, channel: int | None = None) -> list[tuple[datetime, Step | None]]:
    """Return each step of the window with what the circuits did in it, or None where there is no data (1 query)."""
    table, step = history_sql.HISTORY_TABLES[window.resolution], history_sql.HISTORY_STEPS[window.resolution]
    statement = history_sql.HISTORY.format(table=table, step=step)
    parameters = {
        "zone": window.zone.key,
        "device_ids": list(device_ids),
        "channel": channel,
        "start": window.start,
        "end": window.end,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found = {row[0].astimezone(UTC): Step(*row[1:]) for row in cursor.fetchall()}
    # By UTC: a local time that comes twice, as in autumn, equals no time of another zone.
    return [(step, found.get(step.astimezone(UTC))) for step in window.steps()]
