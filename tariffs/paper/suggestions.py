"""Which other contract would explain a paper bill. Pure."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from tariffs.cfe.bill import Bill, Terms
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.prices import NoPrices, PriceBook

SUMMER_STARTS = (2, 3, 4, 5)
# The days that a bill of so many months may have; readings are early or late.
DAY_COUNTS = {1: range(1, 51), 2: range(40, 101)}
MOST = 3


class Suggestion(NamedTuple):
    """A tariff and the terms under which a bill comes to a total near to what was paid."""

    tariff: str
    terms: Terms
    total_mxn: Decimal


def suggestions(
    cycle: Cycle, *, kwh: int, paid_mxn: Decimal, tariff: str, terms: Terms, price_books: Mapping[str, PriceBook]
) -> list[Suggestion]:
    """Return other contracts whose bill is less than a peso from what was paid: at most 3, those with the fewest changes first.

    The tariff, the months of the bill and the start of summer are tried; taxes stay. Of contracts that make the same bill, the nearest
    stands for all. None where the contract itself explains the bill.
    """

    def changes(other: Suggestion) -> tuple[int, int]:
        months, summer = (
            other.terms.billing_months != terms.billing_months,
            other.terms.summer_start_month - terms.summer_start_month,
        )
        return (other.tariff != tariff) + months + (summer != 0), abs(summer)

    fitting = [(other, bill) for other, bill in _others(cycle, kwh, terms, price_books) if abs(bill.grand_total - paid_mxn) < 1]
    found: dict[object, Suggestion] = {}
    for other, bill in sorted(fitting, key=lambda pair: changes(pair[0])):
        found.setdefault((other.tariff, bill.lines), other)
    if any(changes(other) == (0, 0) for other in found.values()):
        return []
    return list(found.values())[:MOST]


def _others(cycle: Cycle, kwh: int, terms: Terms, price_books: Mapping[str, PriceBook]) -> Iterator[tuple[Suggestion, Bill]]:
    months = [months for months, day_counts in DAY_COUNTS.items() if cycle.day_count in day_counts]
    for tariff, billing_months, summer_start in product(price_books, months, SUMMER_STARTS):
        tried = terms._replace(billing_months=billing_months, summer_start_month=summer_start)
        with suppress(NoPrices):
            bill = Biller.of_period(*cycle, terms=tried, prices=price_books[tariff]).bill(kwh)
            yield Suggestion(tariff, tried, bill.grand_total), bill
