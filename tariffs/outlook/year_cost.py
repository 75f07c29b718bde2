"""What a contract costs in a whole year: one season's month says nothing of a bimester, which may hold another."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from tariffs.cfe.bill import ZERO, Terms, kwh_to_bill
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle, cycle_containing
from tariffs.cfe.prices import PriceBook

DAY = timedelta(days=1)
MONTHS_A_YEAR = 12


class Use(NamedTuple):
    """The kWh of local dates [start, end)."""

    start: date
    end: date
    kwh: float


def daily_kwh(uses: Iterable[Use]) -> dict[date, float]:
    """Return the kWh of each date of the uses, spread evenly over each of them."""
    found: dict[date, float] = {}
    for use in uses:
        count = (use.end - use.start).days
        found |= {use.start + day * DAY: use.kwh / count for day in range(count)}
    return found


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
