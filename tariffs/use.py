"""What a home has used, by billing period: on paper where there is a bill, else as measured."""

from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from accounts.models import Home
from tariffs.cycles import Cycle
from tariffs.selectors import cycle_on, cycle_uses
from telemetry.coverage import CircuitUse, known_share

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
# A cycle with more time without data than this is not known well enough to stand for a bill.
LEAST_KNOWN_SHARE = 0.9


class Source(StrEnum):
    """Where a use is known from."""

    PAPER = "paper"
    MEASURED = "measured"


class PeriodUse(NamedTuple):
    """The whole kWh that a home used on its local dates [start, end)."""

    start: date
    end: date
    kwh: int
    source: Source


def kwh_of_last_year(home: Home, until: date) -> list[PeriodUse]:
    """Return the use of the 12 months of billing periods that ended by a local date, the newest first (at most 5 queries).

    They are 6 bimonthly or 12 monthly ones, without overlap; where there is neither a paper bill nor enough data, one is missing.
    Raises NoContract.
    """
    bills = home.paper_bills.filter(end__lte=until, end__gt=until - 2 * YEAR).values_list("start", "end", "kwh")
    papers = {Cycle(start, end): kwh for start, end, kwh in bills}
    periods = list(periods_before(until, papers, partial(cycle_on, home)))
    measured = [period for period in periods if period not in papers]
    _by, uses = cycle_uses(home, measured)
    known = {period: _whole_kwh(use) for period, use in zip(measured, uses, strict=True) if known_share(use) >= LEAST_KNOWN_SHARE}
    found = [(period, papers, Source.PAPER) if period in papers else (period, known, Source.MEASURED) for period in periods]
    return [PeriodUse(*period, kwh[period], source) for period, kwh, source in found if period in kwh]


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


def _whole_kwh(circuits: Collection[CircuitUse]) -> int:
    """Return the kWh that a meter would have shown, rounded half up."""
    return max(round(sum(circuit.energy_wh for circuit in circuits)) + 500, 0) // 1000
