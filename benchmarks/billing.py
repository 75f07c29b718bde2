"""Bills per second on one core, compared with a plain loop that multiplies and adds floats.

The loop ignores seasons, minimum, IVA and rounding: it is a lower bound for the cost of a bill.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from _common import ROOT, report

PRICES = ROOT / "fixtures" / "cfe_prices.csv"
AIM = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bills", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from tariffs.cfe.bill import Terms
    from tariffs.cfe.billing import Biller
    from tariffs.cfe.price_file import read_prices
    from tariffs.cfe.prices import PriceBook

    with PRICES.open(encoding="utf-8", newline="") as lines:
        rates = read_prices(lines).rates
    prices = PriceBook(rate for rate in rates if rate.tariff == "1C")
    random, terms = Random(1), Terms(billing_months=2)
    periods = [(date(2024, 3, 1) + timedelta(days=random.randrange(900)), random.randrange(2_500)) for _ in range(options.bills)]
    tiers = [(0.0, 300.0, 1.0), (300.0, 600.0, 1.2), (600.0, 900.0, 1.5), (900.0, 1e9, 4.0)]

    def whole() -> None:
        for start, kwh in periods:
            Biller.of_period(start, start + timedelta(days=61), terms=terms, prices=prices).bill(kwh)

    def prepared() -> None:
        biller = Biller.of_period(date(2026, 5, 1), date(2026, 7, 1), terms=terms, prices=prices)
        for _, kwh in periods:
            biller.bill(kwh)

    def plain() -> None:
        for _, kwh in periods:
            total = 0.0
            for lower, upper, price in tiers:
                if kwh > lower:
                    total += (min(kwh, upper) - lower) * price

    figures = {"plain floats": plain, "bill of a period": whole, "bill of one period again": prepared}
    rounds = [{name: options.bills / _seconds(work) for name, work in figures.items()} for _ in range(options.rounds)]
    rows = [(name, statistics.median(each[name] for each in rounds)) for name in figures]
    ratio = statistics.median(each["bill of a period"] / each["plain floats"] for each in rounds)
    report("billing", ["", "bills/s"], rows, ratio=ratio, aim_bills_per_second=AIM, aim_met=rows[1][1] >= AIM)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
