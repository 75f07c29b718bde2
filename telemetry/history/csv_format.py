"""The CSV of readings and buckets: its columns, and its lines read back with every value checked."""

import csv
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from devices.shelly_models import MAX_CHANNEL, normalised_hardware_id
from telemetry.shelly import component_kinds as kinds

KEY = ("resolution", "hardware_id", "channel")
TIMES = {"raw": "time", "5m": "start", "1h": "start", "1d": "date"}
WIDTHS = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
READING_VALUES = ("power_w", "voltage_v", "current_a", "energy_wh", "returned_wh", "kind")
BUCKET_VALUES = (
    *("measured_wh", "recovered_wh", "returned_wh", "covered_s", "samples"),
    *("power_min_w", "power_mean_w", "power_max_w", "voltage_v", "current_a", "flags"),
)
COMPONENTS = {kinds.kind_name(kind): kind for kind in kinds.Kind}
FLAGS = 7  # what the roll-up may have set; see models.Bucket.Flag
BLOCK = 4096


class FileProblem(ValueError):
    """A file that can't be imported; `str()` says where and why, in English."""


class Line(NamedTuple):
    """A reading or bucket as the file has it.

    hardware_id: as devices store it; time: UTC; values: in the order of READING_VALUES or BUCKET_VALUES.
    """

    hardware_id: str
    channel: int
    time: datetime
    values: tuple[float | int | None, ...]


def columns(resolution: str) -> list[str]:
    """Return the names in the header of an export."""
    return [*KEY, TIMES[resolution], *(READING_VALUES if resolution == "raw" else BUCKET_VALUES)]


def former_columns() -> list[str]:
    """Return the header of readings from before their kind was told."""
    return columns("raw")[:-1]


def read_lines(file: Iterable[str], now: datetime) -> Iterator[tuple[str, Line]]:
    """Yield the resolution (always the same) and each line. Raises FileProblem at the first that is wrong or repeats another."""
    reader = csv.reader(file, strict=True)
    resolution, seen = "", _Seen()
    try:
        header = _header(next(reader, []))
        while row := _filled(reader):
            resolution = resolution or _resolution(header, row[0])
            line = _line(row, header, resolution, now)
            if resolution != "raw" and seen.before(line, WIDTHS[resolution]):
                raise FileProblem("there is a line for this device, channel and start already.")
            yield resolution, line
    except UnicodeDecodeError as error:
        raise FileProblem(f"after line {reader.line_num}: the file is not UTF-8 text.") from error
    except (csv.Error, FileProblem) as error:
        raise FileProblem(f"line {reader.line_num}: {error}") from error


def _filled(reader: Iterator[list[str]]) -> list[str]:
    """Return the next row that is not empty, or [] at the end."""
    return next((row for row in reader if row), [])


def _header(names: list[str]) -> list[str]:
    if names == columns("1d"):
        raise FileProblem("days can't be imported, since they are sums of hours: export with the resolution 1h or 5m.")
    if names not in (columns("raw"), columns("5m"), former_columns()):
        raise FileProblem(f"the header is not that of an export: {','.join(columns('5m'))} or {','.join(columns('raw'))}.")
    return names


def _resolution(header: list[str], named: str) -> str:
    """Return the resolution that the first line names, if it goes with the header."""
    if named not in TIMES or header not in (columns(named), former_columns() if named == "raw" else None):
        raise FileProblem(f"the resolution is {named!r}, which does not go with the header.")
    return named


def _line(row: list[str], names: list[str], resolution: str, now: datetime) -> Line:
    if len(row) != len(names):
        raise FileProblem(f"it has {len(row)} values, but the header names {len(names)}.")
    if row[0] != resolution:
        raise FileProblem(f"the resolution is {row[0]!r}, but that of the first line is {resolution!r}.")
    takes = KINDS | {"returned_wh": RETURNED[resolution == "raw"]}
    values = tuple(_checked(name, text, takes[name]) for name, text in zip(names[4:], row[4:], strict=True))
    time = _checked(names[3], row[3], TIME)
    if time > now:
        raise FileProblem(f"{names[3]} is {row[3]}, which is yet to come.")
    _fits(time, values, resolution, names[3])
    return Line(_checked(names[1], row[1], HARDWARE_ID), _checked(names[2], row[2], CHANNEL), time, values)


def _fits(time: datetime, values: Sequence[Any], resolution: str, name: str) -> None:
    if resolution not in WIDTHS:
        return
    width_s = WIDTHS[resolution].total_seconds()
    if time.timestamp() % width_s:
        raise FileProblem(f"{name} is {time.isoformat()}, where no bucket of {resolution} begins.")
    if not 0 <= values[3] <= width_s * 1.001:  # a single-precision sum
        raise FileProblem(f"covered_s is {values[3]}, but a bucket of {resolution} has {width_s:.0f} seconds.")


def _checked(name: str, text: str, kind: "Kind") -> Any:
    try:
        return kind.parse(text)
    except (ValueError, OverflowError) as error:
        raise FileProblem(f"{name} is {text!r}, but it takes {kind.takes}.") from error


def _hardware_id(text: str) -> str:
    stored = normalised_hardware_id(text)
    if not 0 < len(stored) <= 255:
        raise ValueError
    return stored


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or time.year < 2000:
        raise ValueError
    return time.astimezone(UTC)


def _double(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _real(text: str) -> float:
    value = _double(text)
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    if value and not single:
        raise ValueError
    return value


def _component(text: str) -> int:
    if text not in COMPONENTS:
        raise ValueError
    return COMPONENTS[text]


class Kind(NamedTuple):
    """How a value is read (ValueError or OverflowError: not at all), and what it takes, in words."""

    parse: Callable[[str], Any]
    takes: str

    def or_nothing(self) -> "Kind":
        """Return the kind that may also be empty."""
        return Kind(lambda text: self.parse(text) if text else None, f"{self.takes}, or nothing")


def _whole(most: int) -> Kind:
    def parse(text: str) -> int:
        value = int(text)
        if not 0 <= value <= most:
            raise ValueError
        return value

    return Kind(parse, f"a whole number from 0 to {most}")


HARDWARE_ID = Kind(_hardware_id, "a hardware id")
TIME = Kind(_time, "an ISO 8601 time with an offset, from the year 2000 on")
DOUBLE = Kind(_double, "a number")
REAL = Kind(_real, "a number that single precision holds")
CHANNEL = _whole(MAX_CHANNEL)
KINDS = {
    **dict.fromkeys(("power_w", "covered_s"), REAL),
    **dict.fromkeys(("power_min_w", "power_mean_w", "power_max_w", "voltage_v", "current_a"), REAL.or_nothing()),
    **dict.fromkeys(("measured_wh", "recovered_wh"), DOUBLE),
    "energy_wh": DOUBLE.or_nothing(),
    "samples": _whole(2**31 - 1),
    "flags": _whole(FLAGS),
    "kind": Kind(_component, "the name of a kind of component, or nothing"),
}
RETURNED = {True: DOUBLE.or_nothing(), False: DOUBLE}  # a reading may lack it, a bucket never


class _Seen:
    """Which buckets a file has had, a bit each."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int, int], int] = {}

    def before(self, line: Line, width: timedelta) -> bool:
        """Return whether the line's bucket was there, and remember it."""
        block, bit = divmod(int(line.time.timestamp() // width.total_seconds()), BLOCK)
        key = (line.hardware_id, line.channel, block)
        bits = self._blocks.get(key, 0)
        self._blocks[key] = bits | 1 << bit
        return bool(bits >> bit & 1)
