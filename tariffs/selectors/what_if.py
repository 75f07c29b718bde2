"""What the running cycle would cost if something were different."""

import copy
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.models import Contract, Home
from devices.meter_roles import Role
from tariffs.cfe.bill import Bill, kwh_to_bill
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle, cycle_containing
from tariffs.outlook.year_cost import MONTHS_A_YEAR, Use, daily_kwh, year_mxn
from tariffs.selectors.cycles import bill_for, biller_for, books_of, cycle_bounds, terms_of
from tariffs.selectors.outlook import Measured, measured_of, outlook_from
from tariffs.selectors.past_use import kwh_of_last_year
from telemetry.history.window import Window, days_window
from telemetry.selectors import history

HABIT_DAYS = 28  # what a device does is taken from its last four weeks


class DeviceHours(NamedTuple):
    """A device (or one of its circuits) in some hours of the day by the home's clock, [start, end), over midnight where start > end.

    `cut` is the share of its energy there that is saved, 0 to 1. Energy that is only moved to other hours is not saved (0).
    """

    device_id: int
    channel: int | None
    start_hour: int
    end_hour: int
    cut: Decimal

    def holds(self, hour: int) -> bool:
        """Tell whether an hour of the day is meant; equal ends are the whole day."""
        if self.start_hour < self.end_hour:
            return self.start_hour <= hour < self.end_hour
        return hour >= self.start_hour or hour < self.end_hour


class Change(NamedTuple):
    """What is different: terms of the contract by their names, and the kWh.

    These are given for the whole period, or as what a sum buys, or as a device's hours; None of them: as they are.
    """

    terms: dict[str, object]
    kwh: int | None = None
    budget_mxn: Decimal | None = None
    device: DeviceHours | None = None


class Side(NamedTuple):
    """One of the two bills: its period, its tariff, and what it comes to in a month.

    Bills of different length are compared by what a whole year of them costs, `year_mxn`; else that is None.
    """

    cycle: Cycle
    tariff: str
    months: int
    bill: Bill
    year_mxn: Decimal | None = None

    @property
    def mxn_per_month(self) -> Decimal:
        """Return the mean month of the year, or the bill's total for each of its months."""
        return self.bill.grand_total / self.months if self.year_mxn is None else self.year_mxn / MONTHS_A_YEAR


class Comparison(NamedTuple):
    """The bill as it will be, and as it would be; `saved_kwh` is what the device would not use, None where nobody knows."""

    base: Side
    other: Side
    saved_kwh: float | None


def compare(home: Home, now: datetime, change: Change, base_kwh: int | None = None) -> Comparison:
    """Return both bills. Without `base_kwh` the base is the forecast of the running cycle, or what it has used where there is none.

    What has been used stays used: a device's hours are cut from the running one on. A bill of another length gets the same use a day.
    Raises PricesMissing, NoContract.
    """
    measured = measured_of(home, now)
    contract, cycle = measured.contract, measured.cycle
    bill, is_foreseen = _base(measured, base_kwh)
    doubts = measured.doubts if is_foreseen else (*measured.doubts, *measured.billed.doubts)
    other_contract = copy.copy(contract)
    for name, value in change.terms.items():
        setattr(other_contract, name, value)
    is_as_long = other_contract.billing_months == contract.billing_months
    other_cycle = cycle if is_as_long else _cycle_from(cycle, other_contract)
    same = bill.kwh * other_cycle.day_count / cycle.day_count
    saved = None
    if change.device and (is_foreseen or not change.device.cut):
        saved = _saved_kwh(measured, change.device, other_cycle, same)
    biller = biller_for(other_contract, other_cycle)
    other = biller.bill(_kwh(change, biller, otherwise=same - (saved or 0.0))).doubted(*doubts)
    sides = _side(contract, cycle, bill), _side(other_contract, other_cycle, other)
    if not is_as_long:
        sides = _over_a_year(measured, (contract, other_contract), sides, same)
    return Comparison(*sides, saved)


def _base(measured: Measured, base_kwh: int | None) -> tuple[Bill, bool]:
    """Return the bill of the running cycle, and whether it holds what is still to come."""
    if base_kwh is not None:
        return bill_for(measured.contract, measured.cycle, base_kwh).doubted(*measured.doubts), True
    outlook = outlook_from(measured)
    return (outlook.ahead.bill, True) if outlook.ahead else (outlook.now.bill, False)


def _kwh(change: Change, biller: Biller, otherwise: float) -> int:
    if change.budget_mxn is not None:
        return biller.kwh_within(change.budget_mxn)
    return kwh_to_bill(otherwise) if change.kwh is None else change.kwh


def _side(contract: Contract, cycle: Cycle, bill: Bill) -> Side:
    return Side(cycle, contract.tariff, contract.billing_months, bill)


def _cycle_from(cycle: Cycle, contract: Contract) -> Cycle:
    """Return the cycle of the contract's length that starts where the running one does."""
    return cycle_containing(cycle.start, contract.billing_day, contract.billing_months, cycle.start.month)


def _over_a_year(
    measured: Measured, contracts: tuple[Contract, Contract], sides: tuple[Side, Side], same: float
) -> tuple[Side, Side]:
    """Return the sides with what the twelve months until the running cycle's end cost, by what the home used in them (2–9 queries)."""
    home, cycle, (base, other) = measured.home, measured.cycle, sides
    uses = [Use(use.start, use.end, use.kwh.expected) for use in kwh_of_last_year(home, cycle.start)]
    days = daily_kwh([Use(*cycle, base.bill.kwh), *uses])
    factor = other.bill.kwh / same if same else 1.0
    usual = base.bill.kwh / cycle.day_count
    found = []
    for side, contract, times in zip(sides, contracts, (1.0, factor), strict=True):
        year = year_mxn(
            cycle.end,
            billing_day=contract.billing_day,
            terms=terms_of(contract),
            prices=books_of(contract, [contract.tariff])[contract.tariff],
            daily={day: kwh * times for day, kwh in days.items()},
            otherwise=usual * times,
        )
        found.append(side._replace(year_mxn=year))
    return found[0], found[1]


def _saved_kwh(measured: Measured, device: DeviceHours, cycle: Cycle, same: float) -> float:
    """Return what the device's hours would save from the running hour until the cycle ends, by its days with data in the last weeks.

    Never more than the home is still to use (1 query).
    """
    now, zone = measured.hour, ZoneInfo(measured.home.time_zone)
    days = days_window(HABIT_DAYS + 1, now, zone)
    window = Window(days.start, days.end - timedelta(days=1), "1h", days.zone)
    steps = [(at, step.drawn_wh) for at, step in history([Role(device.device_id)], window, device.channel) if step is not None]
    seen = {at.date() for at, _wh in steps}
    by_hour: dict[int, float] = defaultdict(float)
    for at, wh in steps:
        by_hour[at.hour] += wh if device.holds(at.hour) else 0.0
    coming = Window(now, cycle_bounds(measured.home, cycle)[1], "1h", zone).steps()
    used = sum(by_hour[at.hour] for at in coming) / 1000 / max(len(seen), 1)
    return min(used * float(device.cut), max(same - measured.billed.kwh.expected, 0.0))
