"""The history of simulated meters, written as if they had been there: readings as far back as they are kept, before that buckets alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from devices.simulator import Meter, Reading, history
from telemetry.partitions import horizon
from telemetry.services import expired_readings_rollup, readings_store, rollup_rebuild
from telemetry.shelly.samples import Sample

# As often as a Shelly's counter moves. Longer steps would miss the cycles of a compressor.
STEP_S = 60
HOUR = timedelta(hours=1)

Progress = Callable[[int], None]
Meters = Sequence[tuple[int, Meter]]


def history_write(meters: Meters, start: int, end: int, *, progress: Progress = lambda readings: None) -> int:
    """Write the history of [start, end], seconds since the epoch, of meters with their device ids; return how many readings are new.

    `progress` is told of readings that are done.
    """
    first, last = (datetime.fromtimestamp(time, UTC) for time in (start, end))
    kept = max(first, horizon(last))
    since = max(first, kept - HOUR).timestamp()  # the first bucket that is computed from readings may need the one before it
    new = readings_store(_samples(history(meters, since, end, STEP_S), progress))
    rollup_rebuild(device_ids=[device_id for device_id, _ in meters], start=kept, end=last)
    if first < kept:
        older = _samples(history(meters, start, kept.timestamp(), STEP_S), progress)
        for (device_id, _channel), rows in groupby(older, lambda row: (row[0], row[1].channel)):
            expired_readings_rollup(device_id=device_id, samples=[sample for _, sample in rows])
    return new


def readings_count(meters: Meters, start: int, end: int) -> int:
    """Return about how many readings such a history has."""
    return sum(len(meter.curves) for _, meter in meters) * (end - start) // STEP_S


def _samples(readings: Iterable[tuple[int, Reading]], progress: Progress) -> Iterator[tuple[int, Sample]]:
    for device_id, reading in readings:
        yield device_id, Sample(*reading)
        progress(1)
