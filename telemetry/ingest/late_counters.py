"""What a late counter may say: when energy flowed, but not how much.

Nobody proves to be the device. Whoever knows a MAC could date counters before the true ones and so add to what a home has used, or take
from it. A counter that is dated before known ones therefore counts only between its neighbours, and where it does not fit there, or has
none before it, its reading is stored without it. No Django, no clock, no I/O.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from telemetry.ingest.returned_energy import Rows, Series
from telemetry.rollup.counters import ROUNDING_WH
from telemetry.shelly.samples import Sample


class Pair(NamedTuple):
    """The counter of both directions and that of returned energy, Wh."""

    both_wh: float
    returned_wh: float


class Neighbours(NamedTuple):
    """Of a late reading, its place among the rows, its series, and the next counters: the time of those after it, and what both say."""

    place: int
    series: Series
    after_time: datetime
    before: Pair | None
    after: Pair | None


def pair_of(energy_wh: float | None, returned_wh: float | None) -> Pair | None:
    """Return the device's two counters for what is stored of them, or None where nothing is."""
    return None if energy_wh is None else Pair(energy_wh + (returned_wh or 0.0), returned_wh or 0.0)


def fitting(rows: Rows, known: Iterable[Neighbours]) -> Rows:
    """Return the rows, without the counters of late readings that don't fit between their neighbours, or between late ones before them."""
    kept = list(rows)
    last: dict[tuple[Series, datetime], Pair] = {}
    for place, series, after_time, before, after in sorted(known, key=lambda one: _time(rows[one.place][1])):
        device_id, sample = kept[place]
        gap = series, after_time
        nearest = last.get(gap, before)
        said = pair_of(sample.energy_wh, sample.returned_wh)
        if nearest and said and after and all(map(_fits, nearest, said, after)):
            last[gap] = said
        else:
            kept[place] = device_id, sample._replace(energy_wh=None, returned_wh=None)
    return kept


def _time(sample: Sample) -> datetime:
    assert sample.time is not None
    return sample.time


def _fits(before: float, here: float, after: float) -> bool:
    """Tell whether a counter may stand between two, which may be on either side of a restart."""
    rises, ends = here >= before - ROUNDING_WH, here <= after + ROUNDING_WH
    return (rises and ends) if after >= before - ROUNDING_WH else (rises or ends)
