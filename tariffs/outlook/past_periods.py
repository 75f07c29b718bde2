"""What a home has used in billing periods gone by, of which meters may not have seen every hour. Pure; energy is kWh."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from tariffs.cfe.bill import kwh_to_bill
from tariffs.outlook.forecast import Estimate, unseen
from tariffs.outlook.habits import Days
from telemetry.history.home_total import DayOfHome

# Of a period that is known less than this nothing is said.
LEAST_KNOWN_SHARE = 0.5
# Time without data that says nothing against a sum: seven minutes a day.
NEGLIGIBLE_SHARE = 0.005
HABIT_DAYS = 28  # days that are not known follow from those of the period, and so many before and after it


class Source(StrEnum):
    """Where a use is known from: all of it, or but for a share that is estimated."""

    PAPER = "paper"
    MEASURED = "measured"
    ESTIMATED = "estimated"


class PeriodUse(NamedTuple):
    """What a home used on its local dates [start, end): whole kWh, with the 80 % interval of what is not known of it."""

    start: date
    end: date
    kwh: Estimate
    source: Source
    known_share: float = 1.0

    @property
    def day_count(self) -> int:
        """Return how many days it has."""
        return (self.end - self.start).days


def period_use(days: Sequence[DayOfHome], start: date, end: date) -> PeriodUse | None:
    """Return the use of a period, from days in order that reach HABIT_DAYS beyond it where there are any; None if too little is known."""
    near = [day for day in days if (start - day.date).days <= HABIT_DAYS and (day.date - end).days < HABIT_DAYS]
    inside = [day for day in near if start <= day.date < end]
    known_share = sum(day.known_share for day in inside) / (end - start).days
    if known_share < LEAST_KNOWN_SHARE:
        return None
    kwh = sum(day.wh for day in inside) / 1000
    if known_share >= 1 - NEGLIGIBLE_SHARE:
        return PeriodUse(start, end, _whole([kwh] * 3), Source.MEASURED, known_share)
    seen = [day for day in near if day.known_share > 0]
    asked = _shares([day._replace(known_share=1 - day.known_share) for day in inside if day.known_share < 1])
    missing = unseen(_shares(seen), np.array([day.wh for day in seen]), asked)[-1]
    return PeriodUse(start, end, _whole([kwh + more for more in missing]), Source.ESTIMATED, known_share)


def _shares(days: Sequence[DayOfHome]) -> Days:
    return Days(np.array([day.date.toordinal() for day in days]), np.array([day.known_share for day in days]))


def _whole(kwh: Sequence[float]) -> Estimate:
    return Estimate(*(float(kwh_to_bill(each)) for each in kwh))
