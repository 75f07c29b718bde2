"""History as CSV, a page at a time, so in constant memory.

Lines go by hardware id, channel, kind of component and time, and nothing in them belongs to this installation alone, so that a file
that is imported elsewhere comes out of there as the same bytes.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from devices.models import Device
from devices.shelly_models import displayed_hardware_id
from telemetry.history import csv_sql
from telemetry.history.csv_format import columns
from telemetry.history.window import Window
from telemetry.models import Series
from telemetry.shelly.component_kinds import CHANNELS, kind_name

PAGE = 5_000


class Circuit(NamedTuple):
    """A channel by one kind of component: the names that every installation knows them by, and the numbers that they have here."""

    hardware_id: str
    channel: int
    device_id: int
    number: int
    kind: str

    @property
    def is_usual(self) -> bool:
        """Whether the kind is the channel's usual one. The buckets are those of the channel, whatever kinds it has had."""
        return self.number == self.channel


def circuits_of(devices: QuerySet[Device], channel: int | None = None) -> list[Circuit]:
    """Return the channels that were ever measured, each kind of component by itself, in the order of the file (2 queries)."""
    names = dict(devices.values_list("id", "hardware_id"))
    series = Series.objects.filter(device_id__in=names).values_list("device_id", "channel", "kind")
    circuits = [
        Circuit(names[device_id], number % CHANNELS, device_id, number, kind_name(kind)) for device_id, number, kind in series
    ]
    return sorted(circuit for circuit in circuits if channel in (None, circuit.channel))


def csv_pages(circuits: Sequence[Circuit], window: Window) -> Iterator[str]:
    """Yield the header line, then the lines of the window (its resolution may be `raw`), up to PAGE at a time (1 query each)."""
    yield _line(columns(window.resolution)) + "\r\n"
    for circuit in circuits:
        if window.resolution == "raw" or circuit.is_usual:
            yield from _pages(circuit, window)


def _pages(circuit: Circuit, window: Window) -> Iterator[str]:
    parameters: dict[str, Any] = {
        "head": _line([window.resolution, displayed_hardware_id(circuit.hardware_id), str(circuit.channel)]) + ",",
        "device_id": circuit.device_id,
        "channel": circuit.number,
        "kind": circuit.kind,
        "start": window.start,
        "end": window.end,
        "after": window.start,
        "limit": PAGE,
        "zone": window.zone.key,
    }
    found = PAGE
    while found == PAGE:
        lines, last, found = _page(csv_sql.EXPORTS[window.resolution], parameters)
        if lines is not None and last is not None:
            yield lines
            parameters["after"] = last + timedelta(microseconds=1)


def _page(statement: str, parameters: dict[str, Any]) -> tuple[str | None, datetime | None, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[str | None, datetime | None, int] = cursor.fetchone()
        return row


def _line(fields: Sequence[str]) -> str:
    """Return the fields as CSV, without the line's end; a hardware id that is no MAC may need quotes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
