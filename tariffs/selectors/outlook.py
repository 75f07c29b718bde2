"""Every query of a home's outlook: its running cycle, the prices of its bill, and the billing periods before it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Sum
from django.utils import timezone

from accounts.cfe_tariffs import DAC
from accounts.models import Contract, Home
from common.cache import cached, key_of
from devices.meter_roles import Role
from devices.selectors import roles_of
from tariffs.cfe.bill import Doubt, kwh_to_bill
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.net_metering import Exchange, netted
from tariffs.outlook.cycle_outlook import Ahead, DacOutlook, Generation, Outlook, SoFar, ahead_of, next_tier_of, now_of
from tariffs.outlook.dac import MONTHS, YEAR, project_dac, usual_kwh
from tariffs.outlook.forecast import HISTORY_DAYS, Estimate, Forecast, TooLittle, forecast
from tariffs.outlook.past_periods import HABIT_DAYS, PastPeriod, Source, net_of_returned, past_period, periods_before
from tariffs.outlook.returned_energy import LEAST_RETURNED_KWH, Returned, generation_doubts, net_rest, net_so_far
from tariffs.selectors.cycles import billers_for, contract_of_cycle, cycle_bounds, cycle_of, cycle_on, local_date
from telemetry.history.home_total import home_days, home_hours
from telemetry.history.window import HOUR, Window, hour_of
from telemetry.selectors import energy_wh, returned_wh

DAY = timedelta(days=1)
KEPT_S = 900
DAYS_BEFORE = 28  # habits are looked for so long before a cycle, even if nothing is known since


class CycleForecast(NamedTuple):
    """What a cycle lacks and will use from its running hour on, and how many of its hours so far are known.

    Of energy returned to the grid, the kWh in whole hours of the cycle; where the contract nets it, also what is to come of it, and the
    credit of the cycles before.
    """

    rest: Forecast | TooLittle
    hours_known: float
    returned_kwh: float
    returned_rest: Forecast | TooLittle
    credit_kwh: float


NOTHING_KNOWN = CycleForecast(TooLittle(0.0), 0.0, 0.0, TooLittle(0.0), 0.0)


class RunningCycle(NamedTuple):
    """What a home has used in its running cycle [start, end), whose running hour began at `hour`, and what is to come.

    `roles` are those of what measures it. Where the contract nets what is returned to the grid, `billed` and `billed_rest` are
    what is left of `so_far` and `rest`; else they are the same.
    """

    home: Home
    roles: list[Role]
    contract: Contract
    cycle: Cycle
    start: datetime
    hour: datetime
    end: datetime
    so_far: SoFar
    rest: Forecast | TooLittle
    returned: Returned

    @property
    def is_netted(self) -> bool:
        """Whether what is returned is taken from what is drawn."""
        return self.contract.generation == Contract.Generation.NET_METERING

    @property
    def billed(self) -> SoFar:
        """What CFE would bill of the cycle so far."""
        return net_so_far(self.so_far, self.returned) if self.is_netted else self.so_far

    @property
    def billed_rest(self) -> Forecast | TooLittle:
        """What CFE will bill of what is not measured."""
        return net_rest(self.rest, self.returned.rest) if self.is_netted else self.rest

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why a bill of this home is not exact, however well it is measured."""
        return generation_doubts(self.contract.generation, self.returned.kwh)

    @property
    def generation(self) -> Generation | None:
        """What the home drew and returned; None where it returns nothing, by contract and meters."""
        scheme, returned = self.contract.generation, self.returned
        if scheme == Contract.Generation.NONE and returned.kwh < LEAST_RETURNED_KWH:
            return None
        return Generation(scheme, self.so_far.kwh.expected, returned.kwh, returned.credit_kwh)

    @property
    def days_left(self) -> float:
        """The time from the running hour's start until the cycle ends: it moves by the hour, so that an answer holds as long."""
        return (self.end - self.hour) / DAY


def running_cycle(home: Home, now: datetime) -> RunningCycle:
    """Return what a home has used (at most 4 queries, 7 where what it returns is netted). Raises NoContract."""
    today, hour = local_date(home, now), hour_of(now)
    cycle = cycle_on(home, today)
    contract = contract_of_cycle(home, cycle)
    start, end = cycle_bounds(home, cycle)
    roles = roles_of(home)
    base_wh, running_wh = energy_wh(roles, start, hour, hour + HOUR)
    # Late readings fill hours whose energy is in the estimate until then: what was measured is in the key, so that none counts twice.
    key = key_of("tariffs:habits", home.time_zone, roles, start, hour, end, round(base_wh), contract.generation)
    found = cached(key, KEPT_S, lambda: _forecast(home, roles, start, hour, end)) if roles else NOTHING_KNOWN
    estimate = None if isinstance(found.rest, TooLittle) else found.rest.missing
    so_far = SoFar(base_wh / 1000, running_wh / 1000, (hour - start) // HOUR, found.hours_known, estimate)
    returned_kwh, running_kwh = found.returned_kwh, 0.0
    if contract.generation == Contract.Generation.NET_METERING:
        returned_kwh, running_kwh = (wh / 1000 for wh in returned_wh(roles, start, hour, hour + HOUR))
    returned = Returned(returned_kwh, running_kwh, found.returned_rest, found.credit_kwh)
    return RunningCycle(home, roles, contract, cycle, start, hour, end, so_far, found.rest, returned)


def _forecast(home: Home, roles: list[Role], start: datetime, hour: datetime, end: datetime) -> CycleForecast:
    """Return what the home's last weeks say of its cycle (1 query, 3 where what it returns is netted)."""
    zone, passed = ZoneInfo(home.time_zone), (hour - start) // HOUR
    past = home_hours(roles, min(hour - HISTORY_DAYS * DAY, start - DAYS_BEFORE * DAY), hour, zone)
    starts, energy, known, given = zip(*past, strict=True)
    coming, since = list(Window(hour, end, "1h", zone).steps()), len(past) - passed
    rest = forecast(starts, energy, coming, known=known, since=since)
    returned_kwh, hours_known = sum(given[since:]) / 1000, sum(known[since:])
    cycle_start = start.astimezone(zone).date()
    if home.contract_on(cycle_start).generation != Contract.Generation.NET_METERING:
        return CycleForecast(rest, hours_known, returned_kwh, TooLittle(0.0), 0.0)
    returned_rest = forecast(starts, given, coming, known=known, since=since)
    return CycleForecast(rest, hours_known, returned_kwh, returned_rest, _credit_kwh(home, roles, cycle_start))


def _credit_kwh(home: Home, roles: list[Role], until: date) -> float:
    """Return what the year of netted cycles before a local date, which is a reading, left to the one after it (2 queries)."""
    cycles = list(netted_cycles(home, until))
    if not cycles:
        return 0.0
    edges = [cycle_bounds(home, cycle)[0] for cycle in cycles] + [cycle_bounds(home, cycles[-1])[1]]
    exchanges = zip(energy_wh(roles, *edges), returned_wh(roles, *edges), strict=True)
    months = home.contract_on(until).billing_months
    return netted([Exchange(drawn / 1000, given / 1000) for drawn, given in exchanges], months)[-1].credit_left_kwh


def netted_cycles(home: Home, until: date) -> list[Cycle]:
    """Return the cycles that ended by a local date within the year before it, as far back as what was returned was netted, in order."""
    cycles: list[Cycle] = []
    day = until - DAY
    while day > until - YEAR and home.contract_on(day).generation == Contract.Generation.NET_METERING:
        cycles.insert(0, cycle_on(home, day))
        day = cycles[0].start - DAY
    return cycles


def generation_proposed(contract: Contract) -> dict[str, str]:
    """Propose net metering for a home that has returned energy lately and whose contract knows nothing of it (3 queries)."""
    if contract.generation != Contract.Generation.NONE:
        return {}
    until = hour_of(timezone.now())
    (given,) = returned_wh(roles_of(contract.home), until - HISTORY_DAYS * DAY, until + HOUR)
    return {"generation": Contract.Generation.NET_METERING.value} if given / 1000 >= LEAST_RETURNED_KWH else {}


def outlook_of(home: Home, now: datetime) -> Outlook:
    """Return where the running cycle of a home stands and leads (at most 9 queries). Raises PricesMissing, NoContract."""
    return outlook_of_cycle(running_cycle(home, now))


def outlook_of_cycle(running: RunningCycle) -> Outlook:
    """Return where a cycle leads (2 queries, 5 where nothing is kept). Raises PricesMissing."""
    contract, cycle, rest = running.contract, running.cycle, running.billed_rest
    billers = billers_for(contract, cycle, {contract.tariff, DAC, base_tariff(contract)} - {""})
    biller = billers[contract.tariff]
    now, ahead = now_of(biller, running.billed, running.doubts), ahead_of(biller, running.billed, rest, running.doubts)
    return Outlook(
        cycle=cycle,
        days_left=running.days_left,
        now=now,
        ahead=ahead,
        days_known=rest.days if isinstance(rest, TooLittle) else None,
        next_tier=next_tier_of(now, rest, running.days_left),
        dac=_dac(running, ahead, billers),
        generation=running.generation,
    )


def base_tariff(contract: Contract) -> str:
    """Return the tariff of the locality, which a home in DAC returns to; empty where nobody knows."""
    return contract.base_tariff if contract.tariff == DAC else contract.tariff


def _dac(running: RunningCycle, ahead: Ahead | None, billers: dict[str, Biller]) -> DacOutlook | None:
    """Return where the home stands towards DAC, or None where its locality's tariff or its use is unknown."""
    contract, cycle, kwh = running.contract, running.cycle, running.billed.kwh.expected
    tariff, past = base_tariff(contract), year_before(running)
    if not tariff or not (ahead or past):
        return None
    expected = ahead.kwh if ahead else usual_kwh(past, cycle, kwh)
    projection = project_dac(
        tariff=tariff,
        is_in=contract.tariff == DAC,
        past=past,
        so_far_kwh=kwh,
        cycle_kwh=expected,
        cycles=_cycles(cycle, contract),
        days_left=running.days_left,
        not_before=contract.supply_start and contract.supply_start + YEAR,
    )
    return DacOutlook(contract.tariff == DAC, projection, _added_mxn(billers, tariff, expected.expected))


def _added_mxn(billers: dict[str, Biller], tariff: str, kwh: float) -> Decimal | None:
    if tariff not in billers or DAC not in billers:
        return None
    dac, locality = (billers[name].bill(kwh_to_bill(kwh)).grand_total for name in (DAC, tariff))
    return dac - locality


def _cycles(cycle: Cycle, contract: Contract) -> list[Cycle]:
    """Return the cycles of a year, this one first."""
    cycles = [cycle]
    while len(cycles) < MONTHS // contract.billing_months:
        cycles.append(cycle_of(contract, cycles[-1].end))
    return cycles


def year_before(running: RunningCycle) -> list[PastPeriod]:
    """Return the 12 months of billing periods before the running cycle (1–4 queries).

    They are kept for KEPT_S: only readings that come late change what was measured.
    """
    home, start = running.home, running.cycle.start
    papers = home.paper_bills.aggregate(Count("id"), Max("id"), Sum("kwh"))
    named = attrgetter("valid_from", "billing_day", "billing_months", "last_reading", "generation")
    readings = [named(each) for each in home.contract_versions]
    key = key_of("tariffs:periods", home.pk, home.time_zone, running.roles, start, papers, readings)
    found: list[PastPeriod] = cached(key, KEPT_S, lambda: past_periods(home, running.roles, start))
    return found


def past_periods(home: Home, roles: Sequence[Role], until: date) -> list[PastPeriod]:
    """Return the 12 months of billing periods that ended by a local date, the newest first (at most 3 queries).

    They are 6 bimonthly or 12 monthly ones, or some of each where the contract has changed, without overlap: on paper where there is a
    bill, else as measured; where there is neither a bill nor enough data, one is missing. Raises NoContract.
    """
    bills = home.paper_bills.filter(end__lte=until, end__gt=until - 2 * YEAR).values_list("start", "end", "kwh")
    papers = {Cycle(start, end): Estimate(kwh, kwh, kwh) for start, end, kwh in bills}
    cycles = list(periods_before(until, papers, partial(cycle_on, home)))
    measured = measured_periods(home, roles, [cycle for cycle in cycles if cycle not in papers])
    periods = [PastPeriod(*each, papers[each], Source.PAPER) if each in papers else measured[each] for each in cycles]
    return [period for period in periods if period]


def measured_periods(home: Home, roles: Sequence[Role], cycles: Sequence[Cycle]) -> dict[Cycle, PastPeriod | None]:
    """Return what CFE would bill by what meters say of cycles gone by, None where that is too little (1 query, 2 with netting)."""
    if not cycles:
        return {}
    first, end = min(cycle.start for cycle in cycles), max(cycle.end for cycle in cycles)
    days = home_days(roles, first - HABIT_DAYS * DAY, end, ZoneInfo(home.time_zone))
    periods = {cycle: past_period(days, *cycle) for cycle in cycles}
    contracts = {cycle: home.contract_on(cycle.last_day) for cycle in sorted(cycles)}
    netting = [cycle for cycle, contract in contracts.items() if contract.generation == Contract.Generation.NET_METERING]
    if not netting:
        return periods
    edges = sorted({edge for cycle in netting for edge in cycle_bounds(home, cycle)})
    by_start = dict(zip(edges, returned_wh(roles, *edges), strict=False))
    returned_kwh = {cycle: by_start[cycle_bounds(home, cycle)[0]] / 1000 for cycle in netting}
    drawn = {cycle: periods[cycle] for cycle in netting}
    return periods | net_of_returned(drawn, returned_kwh, contracts[netting[-1]].billing_months)
