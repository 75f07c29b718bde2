"""Import of another installation's CSV: what was measured here stays, and doing it twice changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from accounts.models import Home
from devices.exceptions import DeviceOfAnotherHome
from devices.models import Device
from devices.services import device_register
from devices.shelly_models import displayed_hardware_id
from devices.validators import hardware_id_validator
from telemetry.columns import BUCKET_VALUES
from telemetry.history import csv_sql
from telemetry.history.csv_format import FileProblem, Line, read_lines
from telemetry.partitions import horizon
from telemetry.rollup import run as rollups
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample

LINES_A_TRANSACTION = 5_000
Progress = Callable[[int], None]


@dataclass
class Imported:
    """How many of a file's lines were stored, and which devices were registered for it (hardware ids)."""

    lines: int = 0
    added: int = 0
    replaced: int = 0  # imported before, with other values
    unchanged: int = 0  # stored here as measured, or imported before with the same values
    expired: int = 0  # readings older than readings are kept
    registered: list[str] = field(default_factory=list)


class ImportFile:
    """A file that has been read through and found good. Raises FileProblem or OSError where it is not."""

    def __init__(self, path: Path, now: datetime) -> None:
        self.path, self.now = path, now
        self.resolution, self.lines = "raw", 0
        self.hardware_ids: set[str] = set()
        for resolution, line in self._read():
            self.resolution, self.lines = resolution, self.lines + 1
            self.hardware_ids.add(line.hardware_id)

    def chunks(self) -> Iterator[list[Line]]:
        """Yield the lines again, as many at a time as go in one transaction."""
        rest = (line for _resolution, line in self._read())
        while chunk := list(islice(rest, LINES_A_TRANSACTION)):
            yield chunk

    def _read(self) -> Iterator[tuple[str, Line]]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            yield from read_lines(file, self.now)


def history_import(
    *, file: ImportFile, home: Home, register: bool = False, dry_run: bool = False, progress: Progress = lambda lines: None
) -> Imported:
    """Store the file's lines under the home's devices, a transaction for each chunk; with `dry_run` none of it stays.

    Raises FileProblem if the file names a device that the home does not have and that can't be registered (nothing is stored then).
    What `progress` raises ends it after a whole chunk; the same file may be given again.
    """
    if not dry_run:
        return _import(file, home, register, progress)
    with transaction.atomic():
        done = _import(file, home, register, progress)
        transaction.set_rollback(True)
    return done


def _import(file: ImportFile, home: Home, register: bool, progress: Progress) -> Imported:
    with transaction.atomic():
        ids, registered = _devices(file, home, register)
    done = Imported(registered=registered)
    for chunk in file.chunks():
        with transaction.atomic():
            (_readings if file.resolution == "raw" else _buckets)(file, chunk, ids, done)
        done.lines += len(chunk)
        progress(len(chunk))
    return done


def _devices(file: ImportFile, home: Home, register: bool) -> tuple[dict[str, int], list[str]]:
    """Return the device ids by hardware id, and the hardware ids that it registered. Raises FileProblem."""
    known = dict(Device.with_retired.filter(home=home, hardware_id__in=file.hardware_ids).values_list("hardware_id", "id"))
    missing = sorted(file.hardware_ids - known.keys())
    if missing and not register:
        names = ", ".join(map(displayed_hardware_id, missing))
        raise FileProblem(f"{home} has no device {names}. Register it there first, or let --register do so.")
    known |= {hardware_id: _registered(home, hardware_id) for hardware_id in missing}
    return known, missing


def _registered(home: Home, hardware_id: str) -> int:
    shown = displayed_hardware_id(hardware_id)
    try:
        hardware_id_validator(hardware_id)
        return device_register(home=home, hardware_id=hardware_id, name=shown[:100]).pk
    except ValidationError as error:
        raise FileProblem(f"{shown!r} is no hardware id.") from error
    except DeviceOfAnotherHome as error:
        raise FileProblem(f"{shown} is registered in another home. Nothing was imported.") from error


def _readings(file: ImportFile, chunk: Sequence[Line], ids: Mapping[str, int], done: Imported) -> None:
    oldest = horizon(file.now) - timedelta(hours=1)  # the edge of the oldest partition
    live = [line for line in chunk if line.time >= oldest]
    new = readings_store((ids[line.hardware_id], Sample(line.channel, line.time, **line.values)) for line in live)
    done.added += new
    done.unchanged += len(live) - new
    done.expired += len(chunk) - len(live)


def _buckets(file: ImportFile, chunk: Sequence[Line], ids: Mapping[str, int], done: Imported) -> None:
    keys = [(ids[line.hardware_id], line.channel, line.time) for line in chunk]
    rows = [(*key, *(line.values[name] for name in BUCKET_VALUES.names)) for key, line in zip(keys, chunk, strict=True)]
    rollups.lock_buckets()
    with connection.cursor() as cursor:
        cursor.execute(csv_sql.IMPORTS[file.resolution], [list(column) for column in zip(*rows, strict=True)])
        measured, imported, *written = cursor.fetchone()
    starts = list(zip(*written, strict=True)) if written[0] else []
    if starts and file.resolution == "5m":
        rollups.recompute_imported_hours(starts)
    added = len(chunk) - measured - imported
    done.added += added
    done.replaced += len(starts) - added
    done.unchanged += len(chunk) - len(starts)
