"""The history of simulated meters, written as if they had been there."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from devices.simulator import Meter, history
from telemetry.services import readings_store, rollup_rebuild
from telemetry.shelly.samples import Sample

STEP_S = 30


def history_write(meters: Sequence[tuple[int, Meter]], start: int, end: int, *, say: Callable[[str], None]) -> None:
    """Store the readings of [start, end], seconds since the epoch, of meters with their device ids, and compute their energy."""
    total = sum(len(meter.curves) for _, meter in meters) * (end - start) // STEP_S
    new = readings_store(_samples(meters, start, end, total, say))
    say(f"history: {new} new readings; computing the energy")
    ids = [device_id for device_id, _ in meters]
    rollup_rebuild(device_ids=ids, start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC))


def _samples(
    meters: Sequence[tuple[int, Meter]], start: int, end: int, total: int, say: Callable[[str], None]
) -> Iterator[tuple[int, Sample]]:
    """Yield the history as telemetry takes it, and say each tenth of it."""
    tenth = max(1, total // 10)
    for number, (device_id, reading) in enumerate(history(meters, start, end, STEP_S), 1):
        yield device_id, Sample(*reading)
        if number % tenth == 0:
            say(f"history: {number} of about {total} readings")
