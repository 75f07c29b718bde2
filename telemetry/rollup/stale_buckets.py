"""Which buckets a change touches, and which readings it takes to compute them. Pure: who calls has fetched the counters around it.

A new reading changes the energy from the counter before it to the one after it, and which counters around it are misread. A run of equal
counters is judged by its neighbours, its neighbours by theirs, and one that is wrong is over within 90 s (`JUDGED`, counters.py). So what
lies more than twice that before the reading is judged as before; and so is what lies more than twice that after the next counter, which may
be hours away. Of the counters at these ends one run may be wrong, of another 90 s, and the intervals go on to the next one that is right.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from telemetry.constants import BUCKET, EPOCH
from telemetry.rollup.counters import MISREADING_S
from telemetry.shelly.component_kinds import CHANNELS

# A device's id and a channel, or the number of one of the channel's series (component_kinds.py).
SeriesKey = tuple[int, int]
Gap = tuple[datetime, datetime]
JUDGED = timedelta(seconds=MISREADING_S)
MICROSECOND = timedelta(microseconds=1)


class ChangedReadings(NamedTuple):
    """A time [from_time, to_time] of a series in which readings are new, or are to be rolled up again."""

    device_id: int
    number: int
    from_time: datetime
    to_time: datetime


class StaleRange(NamedTuple):
    """Buckets [start, end) of a channel to compute anew."""

    device_id: int
    channel: int
    start: datetime
    end: datetime


class Counters(NamedTuple):
    """When a series' first and last counters were, and the last one that was lower than the one before it."""

    first: datetime | None
    last: datetime | None
    fell: datetime | None


class NeededReadings(NamedTuple):
    """The readings [from_time, to_time] of a series that it takes to compute a stale range, which is given by its place in the list."""

    device_id: int
    number: int
    from_time: datetime
    to_time: datetime
    stale_index: int
    counters: Counters


class CounterLookup(NamedTuple):
    """A time [start, end] of a series of which the last counter before and the first one after are needed.

    place: that of the change, or of the stale range, in the list of them. judged_from: counters from here on may be judged otherwise now.
    The margins are how far readings matter beyond the counters that are found. Unless the series is steady, the one before may be misread
    itself; then the last one beyond its margin is needed, too.
    """

    place: int
    device_id: int
    number: int
    start: datetime
    end: datetime
    judged_from: datetime
    margin_before: timedelta
    margin_after: timedelta
    is_steady: bool

    def may_be_misread(self, before: datetime) -> bool:
        return not self.is_steady and before >= self.judged_from - JUDGED


class CountersAround(NamedTuple):
    """When the counters were that a CounterLookup needs: the one before, where that may be misread an earlier one, and the one after."""

    before: datetime | None
    earlier: datetime | None
    after: datetime | None


class Horizon(NamedTuple):
    """The time before which no bucket is computed anew, and later ones for some channels."""

    common: datetime
    frozen: Mapping[SeriesKey, datetime]

    def of(self, device_id: int, channel: int) -> datetime:
        return max(self.common, self.frozen.get((device_id, channel), self.common))


def bucket_start(time: datetime) -> datetime:
    """Return the start of the bucket that the time lies in."""
    return time - (time - EPOCH) % BUCKET


def lookups_of_changes(changes: Sequence[ChangedReadings], counters: Mapping[SeriesKey, Counters]) -> list[CounterLookup]:
    """Return which counters `stale_ranges` needs, in the order of the changes. `counters` has every series of the changed channels."""
    lookups = []
    for place, (device_id, number, start, end) in enumerate(changes):
        is_steady = _is_steady(counters[device_id, number], start)
        judged_from = start - (JUDGED if is_steady else 2 * JUDGED)
        lookups.append(CounterLookup(place, device_id, number, start, end, judged_from, JUDGED, 4 * JUDGED, is_steady))
    return lookups


def stale_ranges(
    lookups: Sequence[CounterLookup], found: Sequence[CountersAround], gap: timedelta, horizon: Horizon
) -> list[StaleRange]:
    """Return the buckets that the changes touch, none before the horizon; overlapping ranges of a channel are one.

    `gap` is the longest that counts as continuous.
    """
    ranges: dict[SeriesKey, list[tuple[datetime, datetime]]] = defaultdict(list)
    for one, around in zip(lookups, found, strict=True):
        first, last = _reach(one, around, gap)
        channel = one.number % CHANNELS
        start, end = max(bucket_start(first), horizon.of(one.device_id, channel)), bucket_start(last) + BUCKET
        if start < end:
            ranges[one.device_id, channel].append((start, end))
    return [StaleRange(*channel, start, end) for channel, several in ranges.items() for start, end in _merged(several)]


def lookups_of_stale(
    stale: Sequence[StaleRange], counters: Mapping[SeriesKey, Counters], horizon: Horizon
) -> list[CounterLookup]:
    """Return which counters `needed_readings` needs, for each series of each range. Where the horizon cuts a range all is judged anew."""
    numbers: dict[SeriesKey, list[int]] = defaultdict(list)
    for device_id, number in counters:
        numbers[device_id, number % CHANNELS].append(number)
    lookups = []
    for place, (device_id, channel, start, end) in enumerate(stale):
        is_whole = start > horizon.of(device_id, channel)
        for number in numbers[device_id, channel]:
            is_steady = is_whole and _is_steady(counters[device_id, number], start)
            lookups.append(CounterLookup(place, device_id, number, start, end, start, 2 * JUDGED, 2 * JUDGED, is_steady))
    return lookups


def needed_readings(
    lookups: Sequence[CounterLookup], found: Sequence[CountersAround], counters: Mapping[SeriesKey, Counters], gap: timedelta
) -> list[NeededReadings]:
    """Return what is to be read to compute the stale ranges."""
    return [
        NeededReadings(one.device_id, one.number, *_reach(one, around, gap), one.place, counters[one.device_id, one.number])
        for one, around in zip(lookups, found, strict=True)
    ]


def without_gaps(needed: Iterable[NeededReadings], gaps: Mapping[int, Sequence[Gap]]) -> list[NeededReadings]:
    """Return the readings cut at the times [start, end) that don't count of their devices: nothing counts across these."""
    return [piece for one in needed for piece in _pieces(one, gaps.get(one.device_id, ()))]


def _pieces(needed: NeededReadings, gaps: Sequence[Gap]) -> Iterator[NeededReadings]:
    if not gaps:
        yield needed
        return
    (start, end), *more = gaps
    before = needed._replace(to_time=min(needed.to_time, start - MICROSECOND))
    after = needed._replace(from_time=max(needed.from_time, end))
    for piece in (before, after):
        if piece.from_time <= piece.to_time:
            yield from _pieces(piece, more)


def _is_steady(counters: Counters, time: datetime) -> bool:
    """Tell whether no counter has fallen since well before a time: then none there is misread, but by what comes now."""
    return counters.fell is None or counters.fell < time - 4 * JUDGED


def _reach(lookup: CounterLookup, found: CountersAround, gap: timedelta) -> tuple[datetime, datetime]:
    """Return the first and the last time at which readings matter, at least over the gap."""
    first, last = min(lookup.judged_from, lookup.start - gap), lookup.end + gap
    if found.before is not None:
        misread = lookup.may_be_misread(found.before)
        first = min(first, found.before - (lookup.margin_before if misread else timedelta()), found.earlier or first)
    if found.after is not None:
        last = max(last, found.after + lookup.margin_after)
    return first, last


def _merged(ranges: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
