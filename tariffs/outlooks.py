"""A home's outlook, gathered from its hours, its contract, the prices and its past bills."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Sum

from accounts.models import Contract, Home
from ecowatt.kept import kept, key_of
from tariffs.billing import Biller
from tariffs.constants import DAC
from tariffs.cycles import Cycle
from tariffs.dac import MONTHS, YEAR, standing, usual_kwh
from tariffs.forecast import HISTORY_DAYS, Forecast, TooLittle, forecast
from tariffs.outlook import Ahead, DacOutlook, Outlook, SoFar, ahead_of, next_tier_of, now_of, whole_kwh
from tariffs.periods import PeriodUse
from tariffs.selectors import billers_for, cycle_bounds, cycle_of, cycle_on, local_date
from tariffs.use import kwh_of_last_year
from telemetry.history import Window
from telemetry.hours import HOUR, home_hours, hour_of
from telemetry.selectors import counting_ids, energy_wh

DAY = timedelta(days=1)
KEPT_S = 900
DAYS_BEFORE = 28  # habits are looked for so long before a cycle, even if nothing is known since


class Measured(NamedTuple):
    """What a home has used in its running cycle [start, end), whose running hour began at `hour`, and what is to come.

    `devices` are the ids of those that measure it.
    """

    home: Home
    devices: list[int]
    contract: Contract
    cycle: Cycle
    start: datetime
    hour: datetime
    end: datetime
    so_far: SoFar
    rest: Forecast | TooLittle

    @property
    def days_left(self) -> float:
        """The time from the running hour's start until the cycle ends: it moves by the hour, so that an answer holds as long."""
        return (self.end - self.hour) / DAY


def measured_of(home: Home, now: datetime) -> Measured:
    """Return what a home has used (at most 5 queries). Raises NoContract."""
    today, hour = local_date(home, now), hour_of(now)
    cycle = cycle_on(home, today)
    start, end = cycle_bounds(home, cycle)
    devices = counting_ids(home)
    base_wh, running_wh = energy_wh(devices, start, hour, hour + HOUR)
    # Late readings fill hours whose energy is in the estimate until then: what was measured is in the key, so that none counts twice.
    key = key_of("tariffs:habits", home.time_zone, devices, start, hour, end, round(base_wh))
    rest, known = kept(key, KEPT_S, lambda: _habits(home, devices, start, hour, end)) if devices else (TooLittle(0.0), 0.0)
    estimate = None if isinstance(rest, TooLittle) else rest.missing
    so_far = SoFar(base_wh / 1000, running_wh / 1000, (hour - start) // HOUR, known, estimate)
    return Measured(home, devices, home.contract_on(today), cycle, start, hour, end, so_far, rest)


def _habits(home: Home, devices: list[int], start: datetime, hour: datetime, end: datetime) -> tuple[Forecast | TooLittle, float]:
    """Return what the cycle lacks and will use from the running hour on, and how many of its hours so far are known (1 query)."""
    zone, passed = ZoneInfo(home.time_zone), (hour - start) // HOUR
    past = home_hours(devices, min(hour - HISTORY_DAYS * DAY, start - DAYS_BEFORE * DAY), hour, zone)
    starts, energy, known = zip(*past, strict=True)
    coming, since = list(Window(hour, end, "1h", zone).steps()), len(past) - passed
    return forecast(starts, energy, coming, known=known, since=since), sum(known[since:])


def outlook_of(home: Home, now: datetime) -> Outlook:
    """Return where the running cycle of a home stands and leads (at most 11 queries). Raises PricesMissing, NoContract."""
    return outlook_from(measured_of(home, now))


def outlook_from(measured: Measured) -> Outlook:
    """Return where a cycle leads (2 queries, 6 where nothing is kept). Raises PricesMissing."""
    contract, cycle, rest = measured.contract, measured.cycle, measured.rest
    billers = billers_for(contract, cycle, {contract.tariff, DAC, base_tariff(contract)} - {""})
    biller = billers[contract.tariff]
    now, ahead = now_of(biller, measured.so_far), ahead_of(biller, measured.so_far, rest)
    return Outlook(
        cycle=cycle,
        days_left=measured.days_left,
        now=now,
        ahead=ahead,
        days_known=rest.days if isinstance(rest, TooLittle) else None,
        next_tier=next_tier_of(now, rest, measured.days_left),
        dac=_dac(measured, ahead, billers),
    )


def base_tariff(contract: Contract) -> str:
    """Return the tariff of the locality, which a home in DAC returns to; empty where nobody knows."""
    return contract.base_tariff if contract.tariff == DAC else contract.tariff


def _dac(measured: Measured, ahead: Ahead | None, billers: dict[str, Biller]) -> DacOutlook | None:
    """Return where the home stands towards DAC, or None where its locality's tariff or its use is unknown."""
    contract, cycle, kwh = measured.contract, measured.cycle, measured.so_far.kwh.expected
    tariff, past = base_tariff(contract), _last_year(measured)
    if not tariff or not (ahead or past):
        return None
    expected = ahead.kwh if ahead else usual_kwh(past, cycle, kwh)
    found = standing(
        tariff=tariff,
        is_in=contract.tariff == DAC,
        past=past,
        so_far_kwh=kwh,
        cycle_kwh=expected,
        cycles=_cycles(cycle, contract),
        days_left=measured.days_left,
        not_before=contract.supply_start and contract.supply_start + YEAR,
    )
    return DacOutlook(contract.tariff == DAC, found, _added_mxn(billers, tariff, expected.expected))


def _last_year(measured: Measured) -> list[PeriodUse]:
    """Return the uses before the cycle, kept for KEPT_S: only readings that come late change what was measured (1–5 queries)."""
    home, start = measured.home, measured.cycle.start
    papers = home.paper_bills.aggregate(Count("id"), Max("id"), Sum("kwh"))
    readings = [(each.valid_from, each.billing_day, each.billing_months, each.last_reading) for each in home.contract_versions]
    key = key_of("tariffs:periods", home.pk, home.time_zone, measured.devices, start, papers, readings)
    found: list[PeriodUse] = kept(key, KEPT_S, lambda: kwh_of_last_year(home, start))
    return found


def _added_mxn(billers: dict[str, Biller], tariff: str, kwh: float) -> Decimal | None:
    if tariff not in billers or DAC not in billers:
        return None
    dac, locality = (billers[name].bill(whole_kwh(kwh)).grand_total for name in (DAC, tariff))
    return dac - locality


def _cycles(cycle: Cycle, contract: Contract) -> list[Cycle]:
    """Return the cycles of a year, this one first."""
    cycles = [cycle]
    while len(cycles) < MONTHS // contract.billing_months:
        cycles.append(cycle_of(contract, cycles[-1].end))
    return cycles
