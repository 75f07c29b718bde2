"""What a late counter may say: when energy flowed, but not how much.

Nobody proves to be the device. Whoever knows a MAC could date counters before the true ones and so add to what a home has used, or take
from it. A counter that is dated before known ones therefore counts only between its neighbours, and where it does not fit there, or has
none before it, its reading is stored without it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from telemetry.ingest import sql
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


async def checked(rows: Rows, recent: datetime, database: psycopg.AsyncConnection[Any]) -> Rows:
    """Return the rows, without those counters dated until `recent` that don't fit between known ones (1 query, where there are any)."""
    late = [
        place for place, (_device_id, one) in enumerate(rows) if one.energy_wh is not None and one.time and one.time <= recent
    ]
    if not late:
        return rows
    asked = [(rows[place][0], one.channel, one.time, one.kind) for place in late for one in (rows[place][1],)]
    cursor = await database.execute(sql.NEIGHBOURS, [*map(list, zip(*asked, strict=True))])
    found = []
    for number_of_late, number, after_time, drawn_before, returned_before, drawn_after, returned_after in await cursor.fetchall():
        place = late[number_of_late - 1]
        before, after = _pair(drawn_before, returned_before), _pair(drawn_after, returned_after)
        found.append(Neighbours(place, (rows[place][0], number), after_time, before, after))
    return _fitting(rows, found)


def _pair(energy_wh: float | None, returned_wh: float | None) -> Pair | None:
    """Return the device's two counters for what is stored of them, or None where nothing is."""
    return None if energy_wh is None else Pair(energy_wh + (returned_wh or 0.0), returned_wh or 0.0)


def _fitting(rows: Rows, known: Iterable[Neighbours]) -> Rows:
    """Return the rows, without the counters of late readings that don't fit between their neighbours, or between late ones before them."""
    kept = list(rows)
    last: dict[tuple[Series, datetime], Pair] = {}
    for one in sorted(known, key=lambda one: _time(rows[one.place][1])):
        device_id, sample = kept[one.place]
        gap = one.series, one.after_time
        nearest = last.get(gap, one.before)
        said = _pair(sample.energy_wh, sample.returned_wh)
        if nearest and said and one.after and all(map(_fits, nearest, said, one.after)):
            last[gap] = said
        else:
            kept[one.place] = device_id, sample._replace(energy_wh=None, returned_wh=None)
    return kept


def _time(sample: Sample) -> datetime:
    assert sample.time is not None
    return sample.time


def _fits(before: float, here: float, after: float) -> bool:
    """Tell whether a counter may stand between two, which may be on either side of a restart."""
    rises, ends = here >= before - ROUNDING_WH, here <= after + ROUNDING_WH
    return (rises and ends) if after >= before - ROUNDING_WH else (rises or ends)
