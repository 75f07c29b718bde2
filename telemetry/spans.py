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
from telemetry.kinds import CHANNELS

Series = tuple[int, int]
Counters = Mapping[Series, tuple[Any, Any]]
Point = tuple[int, int, datetime]
Fetch = Callable[[str, Sequence[Point], datetime], list[tuple[Any, ...]]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
NEAR = timedelta(hours=1)


class Change(NamedTuple):
    """New readings of a series between two times, both ends included; `channel` is the series' number (kinds.py)."""

    device_id: int
    channel: int
    from_time: datetime
    to_time: datetime


class Span(NamedTuple):
    """Buckets [lo, hi) of a channel to compute anew."""

    device_id: int
    channel: int
    lo: datetime
    hi: datetime


class Stretch(NamedTuple):
    """The readings [from_time, to_time] of a series that a span takes, as its place among them; the series' first and last counter."""

    device_id: int
    number: int
    from_time: datetime
    to_time: datetime
    span: int
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
    changes: Sequence[Change], counters: Counters, gap: timedelta, horizon: Horizon, fetch: Fetch
) -> tuple[list[Span], list[Stretch]]:
    """Return the spans that the changes touch, and what is to be read for them (at most 8 queries).

    None is before the horizon, and overlapping ones of a channel are one. `counters` has every series of the changed channels; `gap` is
    the longest that counts as continuous.
    """
    spans = _touched(changes, counters, gap, horizon, fetch)
    series: dict[Series, list[int]] = defaultdict(list)
    for device_id, number in counters:
        series[device_id, number % CHANNELS].append(number)
    parts = [(place, number) for place, span in enumerate(spans) for number in series[span[:2]]]
    low = _reach([(spans[place].device_id, number, spans[place].lo) for place, number in parts], counters, gap, fetch, back=True)
    high = _reach(
        [(spans[place].device_id, number, spans[place].hi) for place, number in parts], counters, gap, fetch, back=False
    )
    stretches = []
    for (place, number), start, end in zip(parts, low, high, strict=True):
        device_id = spans[place].device_id
        stretches.append(Stretch(device_id, number, start, end, place, *counters[device_id, number]))
    return spans, stretches


def _touched(changes: Sequence[Change], counters: Counters, gap: timedelta, horizon: Horizon, fetch: Fetch) -> list[Span]:
    first = _reach([(*change[:2], change.from_time) for change in changes], counters, gap, fetch, back=True)
    last = _reach([(*change[:2], change.to_time) for change in changes], counters, gap, fetch, back=False)
    ranges: dict[Series, list[tuple[datetime, datetime]]] = defaultdict(list)
    for change, start, end in zip(changes, first, last, strict=True):
        channel = change.device_id, change.channel % CHANNELS
        lo, hi = max(floor(start), horizon.of(channel)), floor(end) + BUCKET
        if lo < hi:
            ranges[channel].append((lo, hi))
    return [Span(*channel, lo, hi) for channel, several in ranges.items() for lo, hi in _merged(several)]


def _merged(ranges: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for lo, hi in sorted(ranges):
        if joined and lo <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], hi))
        else:
            joined.append((lo, hi))
    return joined


def _reach(points: Sequence[Point], counters: Counters, gap: timedelta, fetch: Fetch, *, back: bool) -> list[datetime]:
    """Return how far back (or ahead) of each point readings matter: the gap, or to the second counter where that is further."""
    reach = [at - gap if back else at + gap for _device, _number, at in points]
    asked = []
    for place, (device_id, number, at) in enumerate(points):
        first, last = counters[device_id, number]
        if first is not None and (first < at if back else last > at):
            asked.append(place)
    for found, time in _second_counters([points[place] for place in asked], fetch, back=back):
        place = asked[found]
        reach[place] = min(reach[place], time) if back else max(reach[place], time)
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
