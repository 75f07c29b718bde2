"""Which buckets a change touches, and which readings it takes to compute them.

A new reading changes the energy from the counter before it to the one after it, and whether a neighbour counts as misread: so it touches
everything between the second counter before it and the second one after it, which may lie hours away.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from telemetry import rollup_sql
from telemetry.constants import BUCKET

Series = tuple[int, int]
Point = tuple[int, int, datetime]
Fetch = Callable[[str, Sequence[Point], datetime], list[tuple[Any, ...]]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
NEAR = timedelta(hours=1)


class Change(NamedTuple):
    """New readings of a channel between two times, both ends included."""

    device_id: int
    channel: int
    from_time: datetime
    to_time: datetime


class Span(NamedTuple):
    """Buckets [lo, hi) to compute anew, and the readings [fetch_lo, fetch_hi] that it takes; the channel's first and last counter."""

    device_id: int
    channel: int
    lo: datetime
    hi: datetime
    fetch_lo: datetime
    fetch_hi: datetime
    counter_first: datetime | None
    counter_last: datetime | None


class Horizon(NamedTuple):
    """The time before which no bucket is computed anew, and later ones for some channels."""

    common: datetime
    frozen: Mapping[Series, datetime]

    def of(self, series: Series) -> datetime:
        """Return the time before which nothing of the channel is computed."""
        return max(self.common, self.frozen.get(series, self.common))


def floor(time: datetime) -> datetime:
    """Return the start of the bucket that the time lies in."""
    return time - (time - EPOCH) % BUCKET


def spans_of(
    changes: Sequence[Change], counters: dict[Series, tuple[Any, Any]], gap: timedelta, horizon: Horizon, fetch: Fetch
) -> list[Span]:
    """Return the spans that the changes touch, none before the horizon; overlapping ones of a channel are one (at most 8 queries).

    `counters` has the first and last counter of each changed channel; `gap` is the longest that counts as continuous.
    """
    first = _reach(((c[0], c[1], c.from_time) for c in changes), counters, gap, fetch, back=True)
    last = _reach(((c[0], c[1], c.to_time) for c in changes), counters, gap, fetch, back=False)
    ranges: dict[Series, list[tuple[datetime, datetime]]] = defaultdict(list)
    for change, start, end in zip(changes, first, last, strict=True):
        lo, hi = max(floor(start), horizon.of(change[:2])), floor(end) + BUCKET
        if lo < hi:
            ranges[change[:2]].append((lo, hi))
    merged = [(*series, lo, hi) for series, several in ranges.items() for lo, hi in _merged(several)]
    low = _reach(((device, channel, lo) for device, channel, lo, _hi in merged), counters, gap, fetch, back=True)
    high = _reach(((device, channel, hi) for device, channel, _lo, hi in merged), counters, gap, fetch, back=False)
    return [Span(*span, start, end, *counters[span[:2]]) for span, start, end in zip(merged, low, high, strict=True)]


def _merged(ranges: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for lo, hi in sorted(ranges):
        if joined and lo <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], hi))
        else:
            joined.append((lo, hi))
    return joined


def _reach(
    points: Iterable[Point], counters: dict[Series, tuple[Any, Any]], gap: timedelta, fetch: Fetch, *, back: bool
) -> list[datetime]:
    """Return how far back (or ahead) of each point readings matter: the gap, or to the second counter where that is further."""
    listed = list(points)
    reach = [at - gap if back else at + gap for _device, _channel, at in listed]
    asked = []
    for number, (device, channel, at) in enumerate(listed):
        first, last = counters[device, channel]
        if first is not None and (first < at if back else last > at):
            asked.append(number)
    for place, time in _second_counters([listed[number] for number in asked], fetch, back=back):
        number = asked[place]
        reach[number] = min(reach[number], time) if back else max(reach[number], time)
    return reach


def _second_counters(points: Sequence[Point], fetch: Fetch, *, back: bool) -> Iterator[tuple[int, datetime]]:
    """Yield places in the points with the time of a counter before (or after) the point; the furthest of a place is the second, if any.

    The nearest hour is searched first, for that is one partition or two, and every partition costs a look for every point.
    """
    times = [at for _device, _channel, at in points]
    near = min(times, default=EPOCH) - NEAR if back else max(times, default=EPOCH) + NEAR
    left: Sequence[int] = range(len(points))
    for limit in (near, EPOCH if back else FOREVER):
        if left:
            statement = rollup_sql.SECOND_COUNTERS_BEFORE if back else rollup_sql.SECOND_COUNTERS_AFTER
            rows = fetch(statement, [points[place] for place in left], limit)
            yield from ((left[number - 1], time) for number, time, _found in rows)
            done = {left[number - 1] for number, _time, found in rows if found == 2}
            left = [place for place in left if place not in done]
