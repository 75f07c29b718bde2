"""A home's outlook, gathered from its hours, its contract, the prices and its past bills."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Sum

from accounts.models import Contract, Home
from ecowatt.kept import kept, key_of
from tariffs.billing import Biller
from tariffs.constants import DAC
from tariffs.cycles import Cycle
from tariffs.dac import MONTHS, standing
from tariffs.forecast import HISTORY_DAYS, Forecast, TooLittle, forecast
from tariffs.outlook import Ahead, DacOutlook, Outlook, ahead_of, kwh_per_bill, next_tier_of, now_of, per_day, whole_kwh
from tariffs.selectors import billers_for, cycle_bounds, cycle_of, cycle_on, local_date
from tariffs.use import kwh_of_last_year
from telemetry.history import Window
from telemetry.hours import HOUR, home_hours, hour_of
from telemetry.selectors import counting_ids, energy_wh

DAY = timedelta(days=1)
KEPT_S = 900


class Measured(NamedTuple):
    """What a home has used in its running cycle [start, end): in whole hours, and in the one that is running since `hour`.

    `devices` are the ids of those that measure it.
    """

    home: Home
    devices: list[int]
    contract: Contract
    cycle: Cycle
    start: datetime
    hour: datetime
    end: datetime
    base_kwh: float
    running_kwh: float

    @property
    def kwh(self) -> float:
        """The energy of the cycle so far."""
        return self.base_kwh + self.running_kwh

    @property
    def days_left(self) -> float:
        """The time from the running hour's start until the cycle ends: it moves by the hour, so that an answer holds as long."""
        return (self.end - self.hour) / DAY


def measured_of(home: Home, now: datetime) -> Measured:
    """Return what a home has used (at most 4 queries). Raises NoContract."""
    today, hour = local_date(home, now), hour_of(now)
    cycle = cycle_on(home, today)
    start, end = cycle_bounds(home, cycle)
    devices = counting_ids(home)
    base_wh, running_wh = energy_wh(devices, start, hour, hour + HOUR)
    return Measured(home, devices, home.contract_on(today), cycle, start, hour, end, base_wh / 1000, running_wh / 1000)


def outlook_of(home: Home, now: datetime) -> Outlook:
    """Return where the running cycle of a home stands and leads (at most 11 queries). Raises PricesMissing, NoContract."""
    return outlook_from(measured_of(home, now))


def outlook_from(measured: Measured) -> Outlook:
    """Return where a cycle leads (2 queries, 7 where nothing is kept). Raises PricesMissing."""
    contract, cycle, kwh, base_kwh = measured.contract, measured.cycle, measured.kwh, measured.base_kwh
    billers = billers_for(contract, cycle, {contract.tariff, DAC, base_tariff(contract)} - {""})
    biller, rest = billers[contract.tariff], _rest(measured)
    so_far, ahead = now_of(biller, kwh), ahead_of(biller, kwh, base_kwh, rest)
    return Outlook(
        cycle=cycle,
        days_left=measured.days_left,
        now=so_far,
        ahead=ahead,
        days_known=rest.days if isinstance(rest, TooLittle) else None,
        next_tier=next_tier_of(so_far, base_kwh, rest, measured.days_left),
        dac=_dac(measured, ahead, billers),
    )


def base_tariff(contract: Contract) -> str:
    """Return the tariff of the locality, which a home in DAC returns to; empty where nobody knows."""
    return contract.base_tariff if contract.tariff == DAC else contract.tariff


def _rest(measured: Measured) -> Forecast | TooLittle:
    """Return what the cycle will use from the running hour on, kept for KEPT_S: until then only late readings change it (0–1 query)."""
    key = key_of("tariffs:rest", measured.home.time_zone, measured.devices, measured.hour, measured.end)
    found: Forecast | TooLittle = kept(key, KEPT_S, lambda: _forecast(measured))
    return found


def _forecast(measured: Measured) -> Forecast | TooLittle:
    hour, zone = measured.hour, ZoneInfo(measured.home.time_zone)
    past = home_hours(measured.devices, hour - HISTORY_DAYS * DAY, hour, zone)
    energy = [each.wh if each.is_known else float("nan") for each in past]
    coming = Window(hour, measured.end, "1h", zone).steps()
    return forecast([each.start for each in past], energy, list(coming))


def _dac(measured: Measured, ahead: Ahead | None, billers: dict[str, Biller]) -> DacOutlook | None:
    """Return where the home stands towards DAC, or None where its locality's tariff or its use is unknown."""
    contract, cycle, kwh = measured.contract, measured.cycle, measured.kwh
    tariff, months = base_tariff(contract), contract.billing_months
    past = kwh_per_bill(_last_year(measured), months)
    if not tariff or not (ahead or past):
        return None
    expected = ahead.kwh.expected if ahead else max(sum(past) / len(past), kwh)
    found = standing(
        tariff=tariff,
        is_in=contract.tariff == DAC,
        past_kwh=past,
        so_far_kwh=kwh,
        cycle_kwh=expected,
        ends=_ends(cycle, contract, MONTHS // months),
        months=months,
    )
    stay = per_day(found.kwh_until_limit, measured.days_left)
    return DacOutlook(contract.tariff == DAC, found, _added_mxn(billers, tariff, expected), stay)


def _last_year(measured: Measured) -> list[tuple[date, date, int]]:
    """Return the uses before the cycle, kept for KEPT_S: only readings that come late change what was measured (1–5 queries)."""
    home, start = measured.home, measured.cycle.start
    papers = home.paper_bills.aggregate(Count("id"), Max("id"), Sum("kwh"))
    readings = [(each.valid_from, each.billing_day, each.billing_months, each.last_reading) for each in home.contract_versions]
    key = key_of("tariffs:year", home.pk, home.time_zone, measured.devices, start, papers, readings)
    found: list[tuple[date, date, int]] = kept(key, KEPT_S, lambda: [use[:3] for use in kwh_of_last_year(home, start)])
    return found


def _added_mxn(billers: dict[str, Biller], tariff: str, kwh: float) -> Decimal | None:
    if tariff not in billers or DAC not in billers:
        return None
    dac, locality = (billers[name].bill(whole_kwh(kwh)).grand_total for name in (DAC, tariff))
    return dac - locality


def _ends(cycle: Cycle, contract: Contract, count: int) -> list[date]:
    """Return the reading dates of so many cycles, this one's first."""
    ends = [cycle.end]
    while len(ends) < count:
        ends.append(cycle_of(contract, ends[-1]).end)
    return ends
