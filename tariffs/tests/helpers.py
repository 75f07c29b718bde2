"""Every price that the project knows, as the engine takes them."""

from functools import cache

from tariffs.cfe.price_file import read_prices
from tariffs.cfe.prices import PriceBook, Rate
from tariffs.cfe.tariffs import NATIONAL, PRICES_FILE


@cache
def all_rates() -> tuple[Rate, ...]:
    with PRICES_FILE.open(encoding="utf-8", newline="") as lines:
        return tuple(read_prices(lines).rates)


@cache
def book_of(tariff: str, region: str = NATIONAL) -> PriceBook:
    return PriceBook(rate for rate in all_rates() if rate.tariff == tariff and rate.region == region)
