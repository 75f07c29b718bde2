"""Readings around what was discarded: nothing counts across it, whatever the counters say. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from telemetry.rollup.stale_buckets import Stretch

MICROSECOND = timedelta(microseconds=1)
Gap = tuple[datetime, datetime]


def without_discarded(stretches: Iterable[Stretch], discarded: Mapping[int, Sequence[Gap]]) -> list[Stretch]:
    """Return the stretches of readings cut at the times [start, end) that were discarded of their devices."""
    return [piece for one in stretches for piece in _pieces(one, discarded.get(one.device_id, ()))]


def _pieces(stretch: Stretch, gaps: Sequence[Gap]) -> Iterator[Stretch]:
    if not gaps:
        yield stretch
        return
    (start, end), *more = gaps
    before = stretch._replace(to_time=min(stretch.to_time, start - MICROSECOND))
    after = stretch._replace(from_time=max(stretch.from_time, end))
    for piece in (before, after):
        if piece.from_time <= piece.to_time:
            yield from _pieces(piece, more)
