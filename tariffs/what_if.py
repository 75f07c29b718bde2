"""What the running cycle would cost if something were different."""

import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.models import Contract, Home
from tariffs.bill import Bill
from tariffs.billing import Biller
from tariffs.cycles import Cycle, cycle_containing
from tariffs.outlook import whole_kwh
from tariffs.outlooks import outlook_of
from tariffs.selectors import bill_for, biller_for, cycle_on, local_date
from telemetry.history import Window, days_window
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
    """One of the two bills: its period, its tariff, and what it comes to in a month."""

    cycle: Cycle
    tariff: str
    months: int
    bill: Bill

    @property
    def mxn_per_month(self) -> Decimal:
        """Return the bill's total for each of its months."""
        return self.bill.grand_total / self.months


class Comparison(NamedTuple):
    """The bill as it will be, and as it would be; `saved_kwh` is what the device would not use."""

    base: Side
    other: Side
    saved_kwh: float | None


def compare(home: Home, now: datetime, change: Change, base_kwh: int | None = None) -> Comparison:
    """Return both bills. Without `base_kwh` the base is the forecast of the running cycle, or what it has used where there is none.

    A bill of another length gets the same use a day. Raises PricesMissing, NoContract.
    """
    today = local_date(home, now)
    contract, cycle = home.contract_on(today), cycle_on(home, today)
    base = _side(contract, cycle, _expected(home, now) if base_kwh is None else bill_for(contract, cycle, base_kwh))
    other_contract = copy.copy(contract)
    for name, value in change.terms.items():
        setattr(other_contract, name, value)
    other_cycle = _cycle_from(cycle, other_contract) if "billing_months" in change.terms else cycle
    same = base.bill.kwh * other_cycle.day_count / cycle.day_count
    saved = None if change.device is None else min(_daily_kwh(home, now, change.device) * other_cycle.day_count, same)
    biller = biller_for(other_contract, other_cycle)
    kwh = _kwh(change, biller, otherwise=same - (saved or 0.0))
    return Comparison(base, _side(other_contract, other_cycle, biller.bill(kwh)), saved)


def _kwh(change: Change, biller: Biller, otherwise: float) -> int:
    if change.budget_mxn is not None:
        return biller.kwh_within(change.budget_mxn)
    return whole_kwh(otherwise) if change.kwh is None else change.kwh


def _expected(home: Home, now: datetime) -> Bill:
    outlook = outlook_of(home, now)
    return outlook.ahead.bill if outlook.ahead else outlook.now.bill


def _side(contract: Contract, cycle: Cycle, bill: Bill) -> Side:
    return Side(cycle, contract.tariff, contract.billing_months, bill)


def _cycle_from(cycle: Cycle, contract: Contract) -> Cycle:
    """Return the cycle of the contract's length that starts where the running one does."""
    return cycle_containing(cycle.start, contract.billing_day, contract.billing_months, cycle.start.month)


def _daily_kwh(home: Home, now: datetime, device: DeviceHours) -> float:
    """Return what the device's hours would save on an average day: by its days with data in the last weeks (1 query)."""
    days = days_window(HABIT_DAYS + 1, now, ZoneInfo(home.time_zone))
    window = Window(days.start, days.end - timedelta(days=1), "1h", days.zone)
    steps = [(at, step.drawn_wh) for at, step in history([device.device_id], window, device.channel) if step is not None]
    seen = {at.date() for at, _wh in steps}
    used = sum(wh for at, wh in steps if device.holds(at.hour))
    return used / 1000 * float(device.cut) / len(seen) if seen else 0.0
