"""Billing cycles: which dates a home's bill covers. Pure; the dates are local to the home."""

from calendar import monthrange
from datetime import date, timedelta
from typing import NamedTuple

# A longer period is of two months: real ones have about 30 or about 61 days.
MOST_DAYS_OF_A_MONTHLY_BILL = 45


def billing_months(day_count: int) -> int:
    """Return how many months (1 or 2) a bill of so many days covers."""
    return 2 if day_count > MOST_DAYS_OF_A_MONTHLY_BILL else 1


class Cycle(NamedTuple):
    """The dates [start, end) of one bill: `end` is the day of the next reading and belongs to the next cycle."""

    start: date
    end: date

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)

    @property
    def day_count(self) -> int:
        return (self.end - self.start).days

    def days_elapsed(self, day: date) -> int:
        """Return the whole days before the date: 0 on the first day, never more than the cycle has."""
        return min(max((day - self.start).days, 0), self.day_count)


def _reading_date(month_index: int, billing_day: int) -> date:
    """Return the billing day of a month counted from year 0; a short month is read on its last day."""
    year, month = month_index // 12, month_index % 12 + 1
    return date(year, month, min(billing_day, monthrange(year, month)[1]))


def cycle_containing(day: date, billing_day: int, billing_months: int = 1, first_month: int = 1) -> Cycle:
    """Return the cycle that holds a date: it starts on a billing day (1–31) and lasts 1 or 2 months.

    `first_month` (1–12) is any month in which a bimonthly cycle starts. Raises ValueError on other numbers.
    """
    if not 1 <= billing_day <= 31 or billing_months not in (1, 2) or not 1 <= first_month <= 12:
        raise ValueError(f"no such cycle: day {billing_day}, {billing_months} months, from month {first_month}")
    index = day.year * 12 + day.month - 1
    if day < _reading_date(index, billing_day):
        index -= 1
    index -= (index - (first_month - 1)) % billing_months
    return Cycle(_reading_date(index, billing_day), _reading_date(index + billing_months, billing_day))
