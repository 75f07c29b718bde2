"""What the running cycle would cost if something were different."""

import copy
from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from accounts.models import Contract, Home
from devices.meter_roles import Role
from tariffs.cfe.bill import Bill, kwh_to_bill
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle, cycle_containing
from tariffs.outlook.what_if import ComparedBill, Comparison, DeviceHours, WhatIf, daily_kwh, year_mxn
from tariffs.selectors.cycles import bill_for, biller_for, cycle_bounds, price_books, terms_of
from tariffs.selectors.outlook import RunningCycle, outlook_of_cycle, running_cycle, year_before
from telemetry.history.window import Window, days_window
from telemetry.selectors import history

HABIT_DAYS = 28  # what a device does is taken from its last four weeks


def compare(home: Home, now: datetime, what_if: WhatIf, base_kwh: int | None = None) -> Comparison:
    """Return both bills. Without `base_kwh` the base is the forecast of the running cycle, or what it has used where there is none.

    What has been used stays used: a device's hours are cut from the running one on. A bill of another length gets the same use a day.
    Raises PricesMissing, NoContract.
    """
    running = running_cycle(home, now)
    contract, cycle = running.contract, running.cycle
    bill, is_foreseen = _base(running, base_kwh)
    doubts = running.doubts if is_foreseen else (*running.doubts, *running.billed.doubts)
    other_contract = copy.copy(contract)
    for name, value in what_if.terms.items():
        setattr(other_contract, name, value)
    is_as_long = other_contract.billing_months == contract.billing_months
    other_cycle = cycle if is_as_long else _cycle_from(cycle, other_contract)
    same = bill.kwh * other_cycle.day_count / cycle.day_count
    saved = None
    if what_if.device and (is_foreseen or not what_if.device.saved_share):
        saved = _saved_kwh(running, what_if.device, other_cycle, same)
    biller = biller_for(other_contract, other_cycle)
    other = biller.bill(_kwh(what_if, biller, otherwise=same - (saved or 0.0))).doubted(*doubts)
    sides = _side(contract, cycle, bill), _side(other_contract, other_cycle, other)
    if not is_as_long:
        sides = _over_a_year(running, (contract, other_contract), sides, same)
    return Comparison(*sides, saved, what_if.device)


def _base(running: RunningCycle, base_kwh: int | None) -> tuple[Bill, bool]:
    """Return the bill of the running cycle, and whether it holds what is still to come."""
    if base_kwh is not None:
        return bill_for(running.contract, running.cycle, base_kwh).doubted(*running.doubts), True
    outlook = outlook_of_cycle(running)
    return (outlook.ahead.bill, True) if outlook.ahead else (outlook.now.bill, False)


def _kwh(what_if: WhatIf, biller: Biller, otherwise: float) -> int:
    if what_if.budget_mxn is not None:
        return biller.kwh_within(what_if.budget_mxn)
    return kwh_to_bill(otherwise) if what_if.kwh is None else what_if.kwh


def _side(contract: Contract, cycle: Cycle, bill: Bill) -> ComparedBill:
    return ComparedBill(cycle, contract.tariff, contract.billing_months, bill)


def _cycle_from(cycle: Cycle, contract: Contract) -> Cycle:
    """Return the cycle of the contract's length that starts where the running one does."""
    return cycle_containing(cycle.start, contract.billing_day, contract.billing_months, cycle.start.month)


def _over_a_year(
    running: RunningCycle, contracts: tuple[Contract, Contract], sides: tuple[ComparedBill, ComparedBill], same: float
) -> tuple[ComparedBill, ComparedBill]:
    """Return the sides with what the twelve months until the running cycle's end cost, by what the home used in them (2–9 queries)."""
    cycle, (base, other) = running.cycle, sides
    past = {Cycle(period.start, period.end): period.kwh.expected for period in year_before(running)}
    days = daily_kwh({**past, cycle: base.bill.kwh})
    factor = other.bill.kwh / same if same else 1.0
    usual = base.bill.kwh / cycle.day_count
    found = []
    for side, contract, times in zip(sides, contracts, (1.0, factor), strict=True):
        year = year_mxn(
            cycle.end,
            billing_day=contract.billing_day,
            terms=terms_of(contract),
            prices=price_books(contract, [contract.tariff])[contract.tariff],
            daily={day: kwh * times for day, kwh in days.items()},
            otherwise=usual * times,
        )
        found.append(side._replace(year_mxn=year))
    return found[0], found[1]


def _saved_kwh(running: RunningCycle, device: DeviceHours, cycle: Cycle, same: float) -> float:
    """Return what the device's hours would save from the running hour until the cycle ends, by its days with data in the last weeks.

    Never more than the home is still to use (1 query).
    """
    now, zone = running.hour, ZoneInfo(running.home.time_zone)
    days = days_window(HABIT_DAYS + 1, now, zone)
    window = Window(days.start, days.end - timedelta(days=1), "1h", days.zone)
    steps = [(at, step.drawn_wh) for at, step in history([Role(device.device_id)], window, device.channel) if step is not None]
    seen = {at.date() for at, _wh in steps}
    by_hour: dict[int, float] = defaultdict(float)
    for at, wh in steps:
        by_hour[at.hour] += wh if device.holds(at.hour) else 0.0
    coming = Window(now, cycle_bounds(running.home, cycle)[1], "1h", zone).steps()
    used = sum(by_hour[at.hour] for at in coming) / 1000 / max(len(seen), 1)
    return min(used * float(device.saved_share), max(same - running.billed.kwh.expected, 0.0))
