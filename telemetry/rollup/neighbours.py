"""The counters around some times, fetched; stale_buckets.py says which it takes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from telemetry.constants import EPOCH
from telemetry.rollup import sql as rollup_sql
from telemetry.rollup.database import query_about
from telemetry.rollup.stale_buckets import CounterLookup, Counters, CountersAround, SeriesKey

FOREVER = datetime.max.replace(tzinfo=UTC)
NEAR = timedelta(hours=1)


class _Point(NamedTuple):
    """A time of a series, with the place of the look-up that it is for."""

    device_id: int
    number: int
    at: datetime
    place: int


def counters_around(lookups: Sequence[CounterLookup], counters: Mapping[SeriesKey, Counters]) -> list[CountersAround]:
    """Return the counters that the look-ups need, in their order (at most 6 queries)."""
    starts = [_Point(one.device_id, one.number, one.judged_from, place) for place, one in enumerate(lookups)]
    before = _before(starts, counters)
    unsure = [point for point in starts if (at := before.get(point.place)) and lookups[point.place].may_be_misread(at)]
    earlier = _before((one._replace(at=before[one.place] - lookups[one.place].margin_before) for one in unsure), counters)
    after = _after((one._replace(at=lookups[one.place].end) for one in starts), counters)
    return [CountersAround(before.get(place), earlier.get(place), after.get(place)) for place in range(len(lookups))]


def _before(points: Iterable[_Point], counters: Mapping[SeriesKey, Counters]) -> dict[int, datetime]:
    """Return when the last counter before each point was, by place, for those that have one."""
    asked = [one for one in points if (first := counters[one.device_id, one.number].first) and first < one.at]
    return _nearest(rollup_sql.COUNTER_BEFORE, asked, min((one.at for one in asked), default=FOREVER) - NEAR, EPOCH)


def _after(points: Iterable[_Point], counters: Mapping[SeriesKey, Counters]) -> dict[int, datetime]:
    """Return when the first counter after each point was, by place, for those that have one."""
    asked = [one for one in points if (last := counters[one.device_id, one.number].last) and last > one.at]
    return _nearest(rollup_sql.COUNTER_AFTER, asked, max((one.at for one in asked), default=EPOCH) + NEAR, FOREVER)


def _nearest(statement: str, points: Sequence[_Point], near: datetime, furthest: datetime) -> dict[int, datetime]:
    """Look as far as `near`, for that is one partition or two, and every partition costs a look for every point; then for the rest."""
    found: dict[int, datetime] = {}
    for limit in (near, furthest):
        if asked := [one for one in points if one.place not in found]:
            rows = query_about(statement, [(one.device_id, one.number, one.at) for one in asked], limit)
            found |= {asked[number - 1].place: time for number, time in rows}
    return found
