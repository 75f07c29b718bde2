"""The CSV of readings and buckets: its columns, and its lines read back with every value checked."""

import csv
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from devices.shelly_models import MAX_CHANNEL, normalised_hardware_id
from telemetry.columns import BUCKET_VALUES, PORTABLE_FLAGS, READING_VALUES, Column
from telemetry.shelly import component_kinds as kinds

KEY = ("resolution", "hardware_id", "channel")
TIMES = {"raw": "time", "5m": "start", "1h": "start", "1d": "date"}
WIDTHS = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
COMPONENTS = {kinds.kind_name(kind): kind for kind in kinds.Kind}
BLOCK = 4096


class FileProblem(ValueError):
    """A file that can't be imported; `str()` says where and why, in English."""


class Line(NamedTuple):
    """A reading or bucket as the file has it: the hardware id as devices store it, the time in UTC, and the values by column."""

    hardware_id: str
    channel: int
    time: datetime
    values: dict[str, Any]


def columns(resolution: str) -> list[str]:
    """Return the names in the header of an export."""
    return [*KEY, TIMES[resolution], *_parsers(resolution)]


def former_columns() -> list[str]:
    """Return the header of readings in exports that were made before these had the kind."""
    return columns("raw")[:-1]


def read_lines(file: Iterable[str], now: datetime) -> Iterator[tuple[str, Line]]:
    """Yield the resolution (always the same) and each line. Raises FileProblem at the first that is wrong or repeats another."""
    reader = csv.reader(file, strict=True)
    resolution, seen = "", _SeenBuckets()
    try:
        header = _header(next(reader, []))
        while row := _filled(reader):
            resolution = resolution or _resolution(header, row[0])
            line = _line(row, header, resolution, now)
            if resolution != "raw" and seen.add(line, WIDTHS[resolution]):
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
    fields, start = dict(zip(names, row, strict=True)), TIMES[resolution]
    values = {name: _parsed(fields, name, parser) for name, parser in _parsers(resolution).items() if name in fields}
    time = _parsed(fields, start, TIME)
    if time > now:
        raise FileProblem(f"{start} is {fields[start]}, which is yet to come.")
    if resolution in WIDTHS:
        _check_bucket(time, values["covered_s"], resolution)
    return Line(_parsed(fields, "hardware_id", HARDWARE_ID), _parsed(fields, "channel", CHANNEL), time, values)


def _check_bucket(start: datetime, covered_s: float, resolution: str) -> None:
    width_s = WIDTHS[resolution].total_seconds()
    if start.timestamp() % width_s:
        raise FileProblem(f"start is {start.isoformat()}, where no bucket of {resolution} begins.")
    if not 0 <= covered_s <= width_s * 1.001:  # a single-precision sum
        raise FileProblem(f"covered_s is {covered_s}, but a bucket of {resolution} has {width_s:.0f} seconds.")


def _parsed(fields: dict[str, str], name: str, parser: "Parser") -> Any:
    try:
        return parser.parse(fields[name])
    except (ValueError, OverflowError) as error:
        raise FileProblem(f"{name} is {fields[name]!r}, but it takes {parser.takes}.") from error


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


class Parser(NamedTuple):
    """How a value is read (ValueError or OverflowError where it can't be), and what it takes, in words."""

    parse: Callable[[str], Any]
    takes: str

    def or_nothing(self) -> "Parser":
        """Return the parser that reads an empty text as None."""
        return Parser(lambda text: self.parse(text) if text else None, f"{self.takes}, or nothing")


def _whole(most: int) -> Parser:
    def parse(text: str) -> int:
        value = int(text)
        if not 0 <= value <= most:
            raise ValueError
        return value

    return Parser(parse, f"a whole number from 0 to {most}")


HARDWARE_ID = Parser(_hardware_id, "a hardware id")
TIME = Parser(_time, "an ISO 8601 time with an offset, from the year 2000 on")
CHANNEL = _whole(MAX_CHANNEL)
BY_TYPE = {
    "float8": Parser(_double, "a number"),
    "float4": Parser(_real, "a number that single precision holds"),
    "int4": _whole(2**31 - 1),
}
SPECIAL = {"flags": _whole(PORTABLE_FLAGS), "kind": Parser(_component, "the name of a kind of component, or nothing")}


def _parser(column: Column) -> Parser:
    parser = SPECIAL.get(column.name) or BY_TYPE[column.sql_type]
    return parser.or_nothing() if column.is_nullable else parser


READING_PARSERS = {column.name: _parser(column) for column in READING_VALUES} | {"kind": SPECIAL["kind"]}
BUCKET_PARSERS = {column.name: _parser(column) for column in BUCKET_VALUES}


def _parsers(resolution: str) -> dict[str, Parser]:
    return READING_PARSERS if resolution == "raw" else BUCKET_PARSERS


class _SeenBuckets:
    """Which buckets a file has had, one bit for each."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int, int], int] = {}

    def add(self, line: Line, width: timedelta) -> bool:
        """Add the line's bucket and return whether it was there before."""
        block, bit = divmod(int(line.time.timestamp() // width.total_seconds()), BLOCK)
        key = (line.hardware_id, line.channel, block)
        bits = self._blocks.get(key, 0)
        self._blocks[key] = bits | 1 << bit
        return bool(bits >> bit & 1)
