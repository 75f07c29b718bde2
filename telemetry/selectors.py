"""Reads of readings and buckets across devices."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Max, Min, Sum

from accounts.models import Home
from devices.meter_roles import Role
from devices.selectors import roles_of
from telemetry.history import sql
from telemetry.history.completeness import CircuitUse
from telemetry.history.home_total import counted_buckets
from telemetry.history.window import Window
from telemetry.ingest import sql as reading_sql
from telemetry.live.frames import LiveReading
from telemetry.models import Hour


class Step(NamedTuple):
    """What some circuits did in one step, as sql.HISTORY selects it: energy, mean seconds covered, and means (None: unknown)."""

    drawn_wh: float
    returned_wh: float
    covered_s: float
    power_w: float | None
    voltage_v: float | None
    current_a: float | None


class DeviceTotal(NamedTuple):
    """The Wh that a device has ever measured, and its first and last hour."""

    energy_wh: float
    first: datetime
    last: datetime


def device_totals(device_ids: Sequence[int]) -> dict[int, DeviceTotal]:
    """Return what the devices have ever measured, by id, without those that have measured nothing (1 query)."""
    energy = Sum(F("measured_wh") + F("recovered_wh"))
    hours = Hour.objects.filter(device_id__in=device_ids).values_list("device_id")
    rows = hours.annotate(energy_wh=energy, first=Min("start"), last=Max("start"))
    return {device_id: DeviceTotal(energy_wh, first, last) for device_id, energy_wh, first, last in rows}


def last_readings(device_id: int, since: datetime) -> list[LiveReading]:
    """Return the newest reading of each channel that was read since a time (1 query)."""
    with connection.cursor() as cursor:
        cursor.execute(reading_sql.LAST_READINGS, [since, device_id])
        return [LiveReading(channel, time.timestamp(), *measured) for channel, time, *measured in cursor.fetchall()]


def home_energy_wh(home: Home, *edges: datetime) -> list[float]:
    """Return the Wh that the home drew between each two consecutive edges, which are whole hours (2 queries)."""
    return energy_wh(roles_of(home), *edges)


def energy_wh(roles: Sequence[Role], *edges: datetime) -> list[float]:
    """Return the Wh that what measures a home drew between each two consecutive edges, which are whole hours (1 query, or none).

    Two edges may be one: in the first hour of a cycle there is no whole hour of it yet.
    """
    return _sums("measured_wh + recovered_wh", roles, edges)


def returned_wh(roles: Sequence[Role], *edges: datetime) -> list[float]:
    """Return the Wh that were returned to the grid between each two consecutive edges, as `energy_wh` does."""
    return _sums("returned_wh", roles, edges)


def _sums(energy: str, roles: Sequence[Role], edges: Sequence[datetime]) -> list[float]:
    if not roles:
        return [0.0] * (len(edges) - 1)
    buckets, parameters = counted_buckets(roles, "1h", edges[0], edges[-1])
    with connection.cursor() as cursor:
        cursor.execute(sql.ENERGY.format(counted=buckets, energy=energy), parameters | {"edges": list(edges)})
        found = dict(cursor.fetchall())
    return [found.get(span, 0.0) for span in range(len(edges) - 1)]


class _Use(NamedTuple):
    """A row of sql.CIRCUIT_USES."""

    span: int
    is_main: bool
    energy_wh: float
    known_s: float
    hours: int


def circuit_uses(roles: Sequence[Role], edges: Sequence[datetime]) -> list[list[CircuitUse]]:
    """Return what each circuit did in each span between consecutive edges, which are whole hours that rise (1 query).

    An hour is known for the time that readings cover. Where a counter moved across a gap, the hour's energy is known though no reading
    covers it (recovered), so the whole hour is. A circuit without any hour in a span is not in it: it may not have existed yet.
    Where some hours of a span are the mains' and others the circuits', each side has its part of the span, and of what is unknown.
    """
    buckets, parameters = counted_buckets(roles, "1h", edges[0], edges[-1])
    with connection.cursor() as cursor:
        cursor.execute(sql.CIRCUIT_USES.format(counted=buckets), parameters | {"edges": list(edges)})
        rows = [_Use(*row) for row in cursor.fetchall()]
    by_span = {span: list(uses) for span, uses in groupby(rows, attrgetter("span"))}
    lengths = [(end - start).total_seconds() for start, end in pairwise(edges)]
    return [_circuit_uses(by_span.get(span, []), length_s) for span, length_s in enumerate(lengths)]


def _circuit_uses(uses: Sequence[_Use], length_s: float) -> list[CircuitUse]:
    count = Counter(use.is_main for use in uses)
    hours = sum({use.is_main: use.hours for use in uses}.values())
    return [
        CircuitUse(
            energy_wh=use.energy_wh,
            known_share=min(use.known_s * hours / (use.hours * length_s), 1.0),
            weight=use.hours / hours / count[use.is_main],
            is_main=use.is_main,
        )
        for use in uses
    ]


def history(roles: Sequence[Role], window: Window, channel: int | None = None) -> list[tuple[datetime, Step | None]]:
    """Return each step of the window with what the circuits did in it, or None where there is no data (1 query)."""
    buckets, parameters = counted_buckets(roles, window.resolution, window.start, window.end)
    statement = sql.HISTORY.format(counted=buckets, step=sql.HISTORY_STEPS[window.resolution])
    steps = list(window.steps())
    days = steps if window.resolution == "1d" else []
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters | {"days": days, "channel": channel})
        rows = cursor.fetchall()
    # By UTC: a local time that comes twice, as in autumn, equals no time of another zone.
    found = {(days[step - 1] if days else step).astimezone(UTC): Step(*values) for step, *values in rows}
    return [(step, found.get(step.astimezone(UTC))) for step in steps]
