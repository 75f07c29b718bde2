"""What a home has used, by billing period: on paper where there is a bill, else as measured."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from accounts.models import Contract, Home
from devices.meter_roles import Role
from devices.selectors import roles_of
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.net_metering import Exchange, netted
from tariffs.outlook.forecast import Estimate
from tariffs.outlook.past_periods import HABIT_DAYS, PeriodUse, Source, period_use
from tariffs.selectors.cycles import cycle_bounds, cycle_on
from telemetry.history.home_total import home_days
from telemetry.selectors import returned_wh

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
NET_METERING = Contract.Generation.NET_METERING


def kwh_of_last_year(home: Home, until: date) -> list[PeriodUse]:
    """Return the use of the 12 months of billing periods that ended by a local date, the newest first (at most 4 queries).

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
    """Return what CFE would bill by what meters say of periods gone by, None where that is too little (2 queries, 3 with netting)."""
    if not periods:
        return {}
    first, end = min(period.start for period in periods), max(period.end for period in periods)
    roles = roles_of(home)
    days = home_days(roles, first - HABIT_DAYS * DAY, end, ZoneInfo(home.time_zone))
    uses = {period: period_use(days, *period) for period in periods}
    netting = [each for each in sorted(periods) if home.contract_on(each.last_day).generation == NET_METERING]
    return uses | _netted(home, roles, {period: uses[period] for period in netting}) if netting else uses


def _netted(home: Home, roles: Sequence[Role], uses: dict[Cycle, PeriodUse | None]) -> dict[Cycle, PeriodUse | None]:
    """Take from consecutive uses what was returned in each, and the credit of those before it (1 query).

    Of a period that meters don't tell of, or that a paper bill stands for, nobody knows what it did to the credit.
    """
    edges = sorted({edge for period in uses for edge in cycle_bounds(home, period)})
    given = dict(zip(edges, returned_wh(roles, *edges), strict=False))
    exchanges = [
        Exchange(use.kwh.expected if use else 0.0, given[cycle_bounds(home, period)[0]] / 1000 if use else 0.0)
        for period, use in uses.items()
    ]
    months = home.contract_on(next(reversed(uses)).last_day).billing_months
    billed = zip(uses.items(), netted(exchanges, months), exchanges, strict=True)
    return {period: use and _less(use, drawn.drawn_kwh - net.billed_kwh) for (period, use), net, drawn in billed}


def _less(use: PeriodUse, kwh: float) -> PeriodUse:
    """Return the use less the kWh that were not billed of it; that they were not is an estimate."""
    return use._replace(kwh=Estimate(*(max(each - kwh, 0.0) for each in use.kwh)), source=Source.ESTIMATED)


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
