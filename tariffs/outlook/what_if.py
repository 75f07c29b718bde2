"""Two bills side by side: the running cycle as it will be, and as it would be if something were different. Pure.

Bills of different length are compared over a whole year: one season's month says nothing of a bimester, which may hold another.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from tariffs.cfe.bill import ZERO, Bill, Terms, kwh_to_bill
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle, cycle_containing
from tariffs.cfe.prices import PriceBook

DAY = timedelta(days=1)
MONTHS_A_YEAR = 12


class DeviceHours(NamedTuple):
    """A device (or one of its circuits) in some hours of the day by the home's clock, [start, end), over midnight where start > end.

    `cut` is the share of its energy there that is saved, 0 to 1. Energy that only moves to other hours (`is_moved`) is not saved.
    """

    device_id: int
    channel: int | None
    start_hour: int
    end_hour: int
    cut: Decimal
    is_moved: bool = False

    @property
    def saved_share(self) -> Decimal:
        return ZERO if self.is_moved else self.cut

    def holds(self, hour: int) -> bool:
        """Tell whether an hour of the day is meant; equal ends are the whole day."""
        if self.start_hour < self.end_hour:
            return self.start_hour <= hour < self.end_hour
        return hour >= self.start_hour or hour < self.end_hour


class WhatIf(NamedTuple):
    """What is different: terms of the contract by their names, and the kWh.

    These are given for the whole period, or as what a sum buys, or as a device's hours; None of them: as they are.
    """

    terms: Mapping[str, object]
    kwh: int | None = None
    budget_mxn: Decimal | None = None
    device: DeviceHours | None = None


class ComparedBill(NamedTuple):
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
        """The mean month of the year, or the bill's total for each of its months, not rounded."""
        return self.bill.grand_total / self.months if self.year_mxn is None else self.year_mxn / MONTHS_A_YEAR


class Comparison(NamedTuple):
    """The bill as it will be, and as it would be; `saved_kwh` is what the device would not use, None where nobody knows."""

    base: ComparedBill
    other: ComparedBill
    saved_kwh: float | None
    device: DeviceHours | None = None

    @property
    def difference_mxn_per_month(self) -> Decimal:
        """What the other bill costs more a month, not rounded."""
        return self.other.mxn_per_month - self.base.mxn_per_month


def daily_kwh(periods: Mapping[Cycle, float]) -> dict[date, float]:
    """Return the kWh of each date of the periods, spread evenly over each of them."""
    return {
        period.start + day * DAY: kwh / period.day_count for period, kwh in periods.items() for day in range(period.day_count)
    }


def year_mxn(
    end: date, *, billing_day: int, terms: Terms, prices: PriceBook, daily: Mapping[date, float], otherwise: float
) -> Decimal:
    """Return what the twelve months until a reading date cost; a date without kWh has used `otherwise`. Raises NoPrices."""
    total = ZERO
    for cycle in _cycles_before(end, billing_day, terms.billing_months):
        kwh = sum(daily.get(cycle.start + day * DAY, otherwise) for day in range(cycle.day_count))
        total += Biller.of_period(*cycle, terms=terms, prices=prices).bill(kwh_to_bill(kwh)).grand_total
    return total


def _cycles_before(end: date, billing_day: int, months: int) -> Iterator[Cycle]:
    for _number in range(MONTHS_A_YEAR // months):
        cycle = cycle_containing(end - DAY, billing_day, months, end.month)
        yield Cycle(cycle.start, end)
        end = cycle.start
