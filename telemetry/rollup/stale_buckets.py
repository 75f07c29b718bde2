"""Which buckets a change touches, and which readings it takes to compute them.

A new reading changes the energy from the counter before it to the one after it, and which counters around it are misread. A run of equal
counters is judged by its neighbours, its neighbours by theirs, and one that is wrong is over within 90 s (`JUDGED`, counters.py). So what
lies more than twice that before the reading is judged as before; and so is what lies more than twice that after the next counter, which may
be hours away. Of the counters at these ends one run may be wrong, of another 90 s, and the intervals go on to the next one that is right.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from telemetry.constants import BUCKET
from telemetry.rollup.counter_reach import EPOCH, JUDGED, Counters, Fetch, Point, Reach, Series
from telemetry.shelly.component_kinds import CHANNELS


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
    """The readings [from_time, to_time] of a series that a span takes, as its place among them, and the series' counters."""

    device_id: int
    number: int
    from_time: datetime
    to_time: datetime
    span: int
    counters: Counters


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
    changes: Sequence[Change], counters: Mapping[Series, Counters], gap: timedelta, horizon: Horizon, fetch: Fetch
) -> tuple[list[Span], list[Stretch]]:
    """Return the spans that the changes touch, and what is to be read for them (at most 8 queries).

    None is before the horizon, and overlapping ones of a channel are one. `counters` has every series of the changed channels; `gap` is
    the longest that counts as continuous.
    """
    reach = Reach(counters, gap, fetch)
    spans = _touched(changes, reach, horizon)
    numbers: dict[Series, list[int]] = defaultdict(list)
    for device_id, number in counters:
        numbers[device_id, number % CHANNELS].append(number)
    parts = [(place, number) for place, span in enumerate(spans) for number in numbers[span[:2]]]
    cut = {place for place, span in enumerate(spans) if span.lo <= horizon.of(span[:2])}
    unsteady = {part for part, (place, _number) in enumerate(parts) if place in cut}
    low = reach.back(
        [Point(spans[place].device_id, number, spans[place].lo) for place, number in parts], timedelta(), 2 * JUDGED, unsteady
    )
    high = reach.ahead([Point(spans[place].device_id, number, spans[place].hi) for place, number in parts], 2 * JUDGED)
    stretches = [
        Stretch(spans[place].device_id, number, start, end, place, counters[spans[place].device_id, number])
        for (place, number), start, end in zip(parts, low, high, strict=True)
    ]
    return spans, stretches


def _touched(changes: Sequence[Change], reach: Reach, horizon: Horizon) -> list[Span]:
    first = reach.back([Point(*change[:3]) for change in changes], 2 * JUDGED, JUDGED)
    last = reach.ahead([Point(*change[:2], change.to_time) for change in changes], 4 * JUDGED)
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
