"""Homes from CSV files of `manage.py export_history --resolution 1h`, for benchmarks of the forecast, without a database.

Import `_common` first: it makes the project importable.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from _homes import Array, Home

from devices.shelly_models import normalised_hardware_id
from telemetry.columns import Flag
from telemetry.history.csv_format import Line, read_lines

COVERED_S = 0.9 * 3600  # an hour that is covered for this long is known, and scaled to the full hour


def home_of_file(path: Path, zone: ZoneInfo, only: str | None = None) -> Home:
    """Return the home of a file: the sum of its circuits, or of one device, in the hours known for all of them.

    A circuit counts from its first line to its last. Raises FileProblem, OSError, or ValueError if no line is left.
    """
    wanted = normalised_hardware_id(only) if only else None
    circuits: dict[tuple[str, int], list[Line]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for resolution, line in read_lines(file, datetime.now(UTC)):
            if resolution == "1h" and wanted in (None, line.hardware_id):
                circuits[line.hardware_id, line.channel].append(line)
    if not circuits:
        raise ValueError(f"{path}: there are no hours (1h) of the device")
    return _summed(path.stem, [sorted(lines, key=lambda line: line.time) for lines in circuits.values()], zone)


def _summed(name: str, circuits: Sequence[Sequence[Line]], zone: ZoneInfo) -> Home:
    first, last = min(lines[0].time for lines in circuits), max(lines[-1].time for lines in circuits)
    total = np.zeros(_hours(first, last) + 1)
    for lines in circuits:
        known = _known(lines)
        start = _hours(first, lines[0].time)
        total[start : start + known.size] += known
    starts = [(first + timedelta(hours=hour)).astimezone(zone) for hour in range(total.size)]
    return Home(name, starts, total, total)


def _known(lines: Sequence[Line]) -> Array:
    """Return the Wh of each hour of a circuit, NaN where its meter was offline and no counter bridged the gap."""
    energies = np.full(_hours(lines[0].time, lines[-1].time) + 1, np.nan)
    for line in lines:
        wh, covered_s = line.values["measured_wh"] + line.values["recovered_wh"], line.values["covered_s"]
        if line.values["flags"] & Flag.RECOVERED:  # a counter bridged a gap: the hour is complete
            energies[_hours(lines[0].time, line.time)] = wh
        elif covered_s >= COVERED_S:
            energies[_hours(lines[0].time, line.time)] = wh * 3600 / covered_s
    return energies


def _hours(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() / 3600)
