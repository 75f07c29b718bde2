"""DAC, the tariff of high domestic consumption: when a home falls into it and when it leaves. Pure.

A home enters when the average of its last twelve months is strictly above the limit of its locality's tariff, and leaves when it is
strictly below; not in the first year of its supply. The average is taken at each bill over whole bills: six of two months, or twelve of
one. Those of another length, from before a change of the contract, count as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from math import ceil, hypot
from statistics import stdev
from typing import NamedTuple

from tariffs.cfe.cycles import Cycle
from tariffs.cfe.tariffs import DAC_LIMITS_KWH_MONTH
from tariffs.outlook.forecast import Crossing, Estimate
from tariffs.outlook.habits import Z80
from tariffs.outlook.past_periods import PastPeriod, Source

MONTHS = 12
YEAR = timedelta(days=365)
DAYS_A_MONTH = 30.4375
LEAST_MONTHS = 6  # with fewer known nothing is said of the average to come
MOST_KWH_PER_DAY = 200.0  # more than any home uses: more than twice what the highest limit allows


class DacProjection(NamedTuple):
    """Where a home stands towards the limit, kWh a month.

    `average` is that of the bills there are, over `months_known` of twelve months; those that nobody knows count as it.
    `average_at_end` has the running cycle in it. `crossing` holds the readings after which the home enters (or leaves) DAC at this pace,
    None if it does not within a year whatever the pace may turn out to be; `days_until` is the time until the expected one. From now on
    no more than `kwh_per_day_to_stay_below` a day keep it out of DAC for a year (or lead it out within one), where the pace until the
    reading that decides is `pace_kwh_per_day`: 0 if nothing does any more, None where more than any home uses does. With less than
    LEAST_MONTHS known all of that is None.
    """

    limit_kwh_month: int
    months_known: int
    months_estimated: int
    average: Estimate | None
    average_at_end: Estimate | None = None
    crossing: Crossing | None = None
    kwh_per_day_to_stay_below: float | None = None
    pace_kwh_per_day: float | None = None
    is_first_year: bool = False
    days_until: float | None = None

    @property
    def months_until(self) -> int | None:
        """The months until the expected crossing, the last one begun included."""
        return None if self.days_until is None else ceil(self.days_until / DAYS_A_MONTH)


class _Reading(NamedTuple):
    """A reading to come: the kWh of its twelve (or more) months that are settled, and those to come in so many days at the pace."""

    on: date
    months: int
    settled: Estimate
    coming: Estimate
    days: float

    @property
    def average(self) -> Estimate:
        return _mean([self.settled, self.coming], self.months)

    @property
    def pace(self) -> float:
        return self.coming.expected / self.days

    def rate_to(self, limit: float) -> float:
        """Return the kWh a day that lead exactly to the limit."""
        return (limit * self.months - self.settled.expected) / self.days


def project_dac(
    *,
    tariff: str,
    is_in: bool,
    past: Sequence[PastPeriod],
    so_far_kwh: float,
    cycle_kwh: Estimate,
    cycles: Sequence[Cycle],
    days_left: float,
    not_before: date | None = None,
) -> DacProjection:
    """Return where a home stands.

    `tariff` is the locality's, never DAC; `is_in` tells whether the home is in DAC. `past` holds the bills before the running cycle,
    which is to come to `cycle_kwh` in `days_left` (more than 0); `cycles` are that one and those of a year from its start, which go on
    at its pace. `not_before` is the end of the supply's first year, where that is known.
    """
    limit, known = DAC_LIMITS_KWH_MONTH[tariff], _months(use.day_count * use.known_share for use in past)
    estimated = _months(use.day_count for use in past if use.source == Source.ESTIMATED)
    found = DacProjection(limit, known, estimated, _mean([use.kwh for use in past], _months_of(past)) if past else None)
    if known < LEAST_MONTHS:
        return found
    readings = list(_readings(past, so_far_kwh, cycle_kwh, cycles, days_left))
    counted = [each for each in readings if not_before is None or each.on >= not_before]
    found = found._replace(average_at_end=readings[0].average, is_first_year=counted != readings)
    if not counted:
        return found
    crossed = _crossing(counted, limit, is_in=is_in)
    decisive = (max if is_in else min)(counted, key=lambda reading: reading.rate_to(limit))
    rate = max(decisive.rate_to(limit), 0.0)
    first = next((each for each in counted if crossed and each.on == crossed.expected), None)
    return found._replace(
        crossing=crossed,
        kwh_per_day_to_stay_below=rate if rate <= MOST_KWH_PER_DAY else None,
        pace_kwh_per_day=(first or decisive).pace,
        days_until=first and first.days,
    )


def usual_kwh(past: Sequence[PastPeriod], cycle: Cycle, so_far_kwh: float) -> Estimate:
    """Return what a cycle will come to if it is as those before it, of which there must be one, and at least what it has used."""
    month, swing, months = _month(past), _swing(past), _months([cycle.day_count])
    return Estimate(*(max(each * months, so_far_kwh) for each in (month, month - swing, month + swing)))


def _crossing(readings: Sequence[_Reading], limit: int, *, is_in: bool) -> Crossing | None:
    """Return the readings at which the expected average, and the ends of its interval, have crossed the limit."""

    def first(end: str) -> date | None:
        averages = ((each.on, getattr(each.average, end)) for each in readings)
        return next((on for on, average in averages if (average < limit if is_in else average > limit)), None)

    earliest, latest = (first(end) for end in (("low", "high") if is_in else ("high", "low")))
    return None if earliest is None else Crossing(first("expected"), earliest, latest)


def _readings(
    past: Sequence[PastPeriod], so_far_kwh: float, cycle_kwh: Estimate, cycles: Sequence[Cycle], days_left: float
) -> Iterator[_Reading]:
    """Yield the readings. Later cycles differ from this one as those before it have differed from each other, all in one direction."""
    running, month, swing = cycles[0], _month(past), _swing(past)
    day_swing = swing / DAYS_A_MONTH
    pace = cycle_kwh.expected / running.day_count
    below, above = (
        (cycle_kwh.expected - cycle_kwh.low) / running.day_count,
        (cycle_kwh.high - cycle_kwh.expected) / running.day_count,
    )
    for cycle in cycles:
        later = (cycle.end - running.end).days
        kept = [use for use in past if use.start + (use.end - use.start) / 2 > cycle.end - YEAR]
        months = _months([*(use.day_count for use in kept), (cycle.end - running.start).days])
        unknown = max(MONTHS - months, 0)
        fill = Estimate(month * unknown, (month - swing) * unknown, (month + swing) * unknown)
        settled = [*(use.kwh for use in kept), fill, Estimate(so_far_kwh, so_far_kwh, so_far_kwh)]
        coming = Estimate(
            cycle_kwh.expected - so_far_kwh + later * pace,
            cycle_kwh.low - so_far_kwh + later * (pace - hypot(below, day_swing)),
            cycle_kwh.high - so_far_kwh + later * (pace + hypot(above, day_swing)),
        )
        yield _Reading(cycle.end, max(months, MONTHS), _mean(settled, 1), coming, days_left + later)


def _months(days: Iterable[float]) -> int:
    return round(sum(days) / DAYS_A_MONTH)


def _months_of(past: Sequence[PastPeriod]) -> int:
    return max(_months(use.day_count for use in past), 1)


def _month(past: Sequence[PastPeriod]) -> float:
    """Return the kWh of an average month."""
    return sum(use.kwh.expected for use in past) / _months_of(past)


def _swing(past: Sequence[PastPeriod]) -> float:
    """Return by how many kWh a month four in five of the bills are near the average."""
    return Z80 * stdev(use.kwh.expected / use.day_count * DAYS_A_MONTH for use in past) if len(past) > 1 else 0.0


def _mean(parts: Sequence[Estimate], months: int) -> Estimate:
    """Return the sum of estimates whose errors have nothing to do with each other, by months."""
    expected = sum(part.expected for part in parts)
    below, above = (hypot(*(getattr(part, end) - part.expected for part in parts)) for end in ("low", "high"))
    return Estimate(expected / months, max(expected - below, 0.0) / months, (expected + above) / months)
