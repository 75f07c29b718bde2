"""What a home has used, by billing period: on paper where there is a bill, else as measured."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from accounts.models import Home
from tariffs.cycles import Cycle
from tariffs.forecast import Estimate
from tariffs.periods import HABIT_DAYS, PeriodUse, Source, period_use
from tariffs.selectors import cycle_on
from telemetry.hours import home_days
from telemetry.selectors import counting_ids

YEAR = timedelta(days=365)
DAY = timedelta(days=1)


def kwh_of_last_year(home: Home, until: date) -> list[PeriodUse]:
    """Return the use of the 12 months of billing periods that ended by a local date, the newest first (at most 5 queries).

    They are 6 bimonthly or 12 monthly ones, or some of each where the contract has changed, without overlap; where there is neither a
    paper bill nor enough data, one is missing. Raises NoContract.
    """
    bills = home.paper_bills.filter(end__lte=until, end__gt=until - 2 * YEAR).values_list("start", "end", "kwh")
    papers = {Cycle(start, end): Estimate(kwh, kwh, kwh) for start, end, kwh in bills}
    periods = list(periods_before(until, papers, partial(cycle_on, home)))
    measured = measured_uses(home, [period for period in periods if period not in papers])
    uses = [PeriodUse(*each, papers[each], Source.PAPER) if each in papers else measured[each] for each in periods]
    return [use for use in uses if use]


def measured_uses(home: Home, periods: Sequence[Cycle]) -> dict[Cycle, PeriodUse | None]:
    """Return what meters say of periods gone by, None where that is too little (3 queries)."""
    if not periods:
        return {}
    first, end = min(period.start for period in periods), max(period.end for period in periods)
    days = home_days(counting_ids(home), first - HABIT_DAYS * DAY, end, ZoneInfo(home.time_zone))
    return {period: period_use(days, *period) for period in periods}


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
