"""What a home has used in billing periods gone by, of which meters may not have seen every hour. Pure; energy is kWh."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from tariffs.cfe.bill import kwh_to_bill
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.net_metering import Exchange, netted
from tariffs.outlook.forecast import Estimate, unseen
from tariffs.outlook.habits import Days
from telemetry.history.home_total import DayOfHome

# Of a period that is known less than this nothing is said.
LEAST_KNOWN_SHARE = 0.5
# Time without data that says nothing against a sum: seven minutes a day.
NEGLIGIBLE_SHARE = 0.005
DAY, YEAR = timedelta(days=1), timedelta(days=365)
HABIT_DAYS = 28  # days that are not known follow from those of the period, and so many before and after it


class Source(StrEnum):
    """Where a use is known from: all of it, or but for a share that is estimated."""

    PAPER = "paper"
    MEASURED = "measured"
    ESTIMATED = "estimated"


class PastPeriod(NamedTuple):
    """What a home used on its local dates [start, end): whole kWh, with the 80 % interval of what is not known of it."""

    start: date
    end: date
    kwh: Estimate
    source: Source
    known_share: float = 1.0

    @property
    def day_count(self) -> int:
        return (self.end - self.start).days


def past_period(days: Sequence[DayOfHome], start: date, end: date) -> PastPeriod | None:
    """Return the use of a period, from days in order that reach HABIT_DAYS beyond it where there are any; None if too little is known."""
    near = [day for day in days if (start - day.date).days <= HABIT_DAYS and (day.date - end).days < HABIT_DAYS]
    inside = [day for day in near if start <= day.date < end]
    known_share = sum(day.known_share for day in inside) / (end - start).days
    if known_share < LEAST_KNOWN_SHARE:
        return None
    kwh = sum(day.wh for day in inside) / 1000
    if known_share >= 1 - NEGLIGIBLE_SHARE:
        return PastPeriod(start, end, _whole([kwh] * 3), Source.MEASURED, known_share)
    seen = [day for day in near if day.known_share > 0]
    asked = _shares([day._replace(known_share=1 - day.known_share) for day in inside if day.known_share < 1])
    missing = unseen(_shares(seen), np.array([day.wh for day in seen]), asked)[-1]
    return PastPeriod(start, end, _whole([kwh + more for more in missing]), Source.ESTIMATED, known_share)


def _shares(days: Sequence[DayOfHome]) -> Days:
    return Days(np.array([day.date.toordinal() for day in days]), np.array([day.known_share for day in days]))


def _whole(kwh: Sequence[float]) -> Estimate:
    return Estimate(*(float(kwh_to_bill(each)) for each in kwh))


def net_of_returned(
    periods: Mapping[Cycle, PastPeriod | None], returned_kwh: Mapping[Cycle, float], months: int
) -> dict[Cycle, PastPeriod | None]:
    """Return consecutive periods of 1 or 2 months, the oldest first, less what was returned in each and the credit of those before it.

    Of a period that is None (its meters tell too little, or a paper bill stands for it) nobody knows what it did to the credit.
    """
    exchanges = [Exchange(each.kwh.expected, returned_kwh[cycle]) if each else Exchange(0, 0) for cycle, each in periods.items()]
    results = zip(periods.items(), exchanges, netted(exchanges, months), strict=True)
    return {cycle: each and _less(each, drawn.drawn_kwh - net.billed_kwh) for (cycle, each), drawn, net in results}


def _less(period: PastPeriod, kwh: float) -> PastPeriod:
    """Return the period less the kWh that were not billed of it; that they were not is an estimate."""
    return period._replace(kwh=Estimate(*(max(each - kwh, 0.0) for each in period.kwh)), source=Source.ESTIMATED)


def periods_before(until: date, papers: Collection[Cycle], cycle_at: Callable[[date], Cycle]) -> Iterator[Cycle]:
    """Yield the billing periods of the year up to the last reading by a date, the newest first and without overlap.

    They are the periods on paper and, between these, the cycles of `cycle_at`. CFE reads some days before or after the day that the
    contract says, so a cycle reaches to its neighbours on paper: it may be half a cycle shorter or longer than it should be, and a
    shorter rest is left out. A period belongs to the year if its middle does.
    """
    waiting = sorted(papers, key=lambda paper: paper.end)
    end = max([cycle_at(until).start, *(paper.end for paper in waiting)])
    oldest = end - YEAR
    while True:
        middle = end - timedelta(days=cycle_at(end - DAY).day_count // 2)
        if waiting and waiting[-1].end > middle:
            period = waiting.pop()
        else:
            period = Cycle(max([cycle_at(middle).start, *(paper.end for paper in waiting)]), end)
        if period.start + (period.end - period.start) / 2 <= oldest:
            return
        yield period
        end = period.start
