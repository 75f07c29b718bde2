"""How far before and after some times readings matter, by what is stored of counters around them."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from telemetry.rollup import sql as rollup_sql
from telemetry.rollup.counters import MISREADING_S

Series = tuple[int, int]
Fetch = Callable[..., list[tuple[Any, ...]]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
NEAR = timedelta(hours=1)
JUDGED = timedelta(seconds=MISREADING_S)


class Point(NamedTuple):
    """A time of a series."""

    device_id: int
    number: int
    at: datetime


class Counters(NamedTuple):
    """When a series' first and last counters were, and the last one that was lower than the one before it."""

    first: datetime | None
    last: datetime | None
    fell: datetime | None


class Reach:
    """How far before and after some times readings matter, at least over the gap."""

    def __init__(self, counters: Mapping[Series, Counters], gap: timedelta, fetch: Fetch) -> None:
        """Keep what is known of each series, and how to ask for more."""
        self._counters, self._gap, self._fetch = counters, gap, fetch

    def back(
        self, points: Sequence[Point], judged: timedelta, margin: timedelta, unsteady: Container[int] = ()
    ) -> list[datetime]:
        """Return for each point when the last counter was before what is judged anew, which is half of it where no counter fell lately.

        Where that one may be wrong itself, it is the last one beyond the margin before it. `unsteady`: places of which all is judged.
        """
        steady = [place not in unsteady and self._is_steady(point) for place, point in enumerate(points)]
        starts = [point._replace(at=point.at - judged / (1 + calm)) for point, calm in zip(points, steady, strict=True)]
        reach = [min(start.at, point.at - self._gap) for start, point in zip(starts, points, strict=True)]
        unsure: dict[int, Point] = {}
        for place, last in self._next(rollup_sql.COUNTER_BEFORE, starts, EPOCH):
            if not steady[place] and last >= starts[place].at - JUDGED:
                unsure[place] = points[place]._replace(at=last - margin)
                last -= margin
            reach[place] = min(reach[place], last)
        places = list(unsure)
        for found, last in self._next(rollup_sql.COUNTER_BEFORE, list(unsure.values()), EPOCH):
            reach[places[found]] = min(reach[places[found]], last)
        return reach

    def ahead(self, points: Sequence[Point], margin: timedelta) -> list[datetime]:
        """Return the margin after the first counter behind each point."""
        reach = [point.at + self._gap for point in points]
        for place, first in self._next(rollup_sql.COUNTER_AFTER, points, FOREVER):
            reach[place] = max(reach[place], first + margin)
        return reach

    def _is_steady(self, point: Point) -> bool:
        """Tell whether no counter has fallen since well before a time: then none there is misread, but by what comes now."""
        fell = self._counters[point[:2]].fell
        return fell is None or fell < point.at - 4 * JUDGED

    def _next(self, statement: str, points: Sequence[Point], furthest: datetime) -> Iterator[tuple[int, datetime]]:
        """Yield places in the points, and when the next counter is, for those that have one in the direction of the furthest time.

        The nearest hour is searched first, for that is one partition or two, and every partition costs a look for every point.
        """
        asked = [place for place, point in enumerate(points) if self._has_counter(point, furthest)]
        times = [points[place].at for place in asked]
        for nearest in (True, False):
            if not asked:
                return
            limit = furthest if not nearest else min(times) - NEAR if furthest == EPOCH else max(times) + NEAR
            found: dict[int, datetime] = dict(self._fetch(statement, [points[place] for place in asked], limit))
            yield from ((asked[number - 1], time) for number, time in found.items())
            asked = [place for number, place in enumerate(asked, 1) if number not in found]

    def _has_counter(self, point: Point, furthest: datetime) -> bool:
        known = self._counters[point[:2]]
        if furthest == EPOCH:
            return known.first is not None and known.first < point.at
        return known.last is not None and known.last > point.at
