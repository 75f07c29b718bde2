"""DAC, the tariff of high domestic consumption: when a home falls into it and when it leaves. Pure.

A home enters when the average of its last twelve months is strictly above the limit of its locality's tariff, and leaves when it is
strictly below. The average is taken at each bill over whole bills: six of two months, or twelve of one.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

LIMITS_KWH_MONTH = {"1": 250, "1A": 300, "1B": 400, "1C": 850, "1D": 1000, "1E": 2000, "1F": 2500}
MONTHS = 12


class Dac(NamedTuple):
    """Where a home stands towards the limit, kWh a month.

    `average` is that of the bills there are, over `months_known` of twelve months; the months before them count as it. `average_at_end`
    has the running cycle in it. `crosses_on` is the reading after which the home enters (or leaves) DAC at this pace, `cycles_until` how
    many bills away it is (1: the running one's); both None if that does not happen within a year.
    `kwh_until_limit` is what the running cycle may still use in all without (or for) crossing at its end, below 0 when it has crossed.
    """

    limit_kwh_month: int
    months_known: int
    average: float | None
    average_at_end: float
    crosses_on: date | None
    cycles_until: int | None
    kwh_until_limit: float


def standing(
    *, tariff: str, is_in: bool, past_kwh: Sequence[float], so_far_kwh: float, cycle_kwh: float, ends: Sequence[date], months: int
) -> Dac:
    """Return where a home stands.

    `tariff` is the locality's, never DAC; `is_in` tells whether the home is in DAC. `past_kwh` holds the bills before the running
    cycle, the newest first; `cycle_kwh` is what that will have used when it ends, and what each later one uses at this pace; `ends` are
    the reading dates of all of them, the running one's first; `months` is 1 or 2 a bill.
    """
    limit, count = LIMITS_KWH_MONTH[tariff], MONTHS // months
    past = list(past_kwh[:count])
    fill = sum(past) / len(past) if past else cycle_kwh
    window = (past + [fill] * count)[: count - 1]  # the bills that stay in the average when the running cycle ends
    averages = _averages(window, cycle_kwh, len(ends))
    crossed = next((n for n, x in enumerate(averages) if (x < limit if is_in else x > limit)), None)
    return Dac(
        limit_kwh_month=limit,
        months_known=len(past) * months,
        average=sum(past) / len(past) / months if past else None,
        average_at_end=averages[0],
        crosses_on=None if crossed is None else ends[crossed],
        cycles_until=None if crossed is None else crossed + 1,
        kwh_until_limit=limit * MONTHS - sum(window) - so_far_kwh,
    )


def _averages(window: Sequence[float], cycle_kwh: float, count: int) -> list[float]:
    """Return the average of twelve months at the end of each of so many cycles, each of which takes the oldest bill's place."""
    bills, averages = list(window), []
    for _ in range(count):
        bills = [cycle_kwh, *bills[: len(window)]]
        averages.append(sum(bills) / MONTHS)
    return averages
