"""How good the estimate of unmeasured hours is: gaps in the cycles of simulated homes.

Some days of a cycle are hidden and estimated from the days around them. Errors and the interval's width are in per cent of what was
used. The references are the mean of each hour of the week and the mean of all hours.
"""

import argparse
import time
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from _common import report
from _homes import DAYS, Home, homes

from tariffs.outlook.forecast import TooLittle, forecast

HISTORY, CYCLE_DAYS, GAP_DAYS = (14, 28, 56), (20, 40, 60), (2, 5, 10, 19)
HEADINGS = ("", "gaps", "error %", "hour of week %", "mean %", "held %", "width %")


class Outcome(NamedTuple):
    """In per cent of what the gap used: three errors, whether the interval held, its width."""

    error: float
    hour_of_week_error: float
    mean_error: float
    held: float
    width: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=20, help="simulated homes of each kind (%(default)s)")
    parser.add_argument("--moments", type=int, default=10, help="gaps for each home (%(default)s)")
    parser.add_argument("--seed", type=int, default=2026, help="random seed (%(default)s)")
    options = parser.parse_args()
    started = time.perf_counter()
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for number, home in enumerate(homes(options.homes, options.seed)):
        rng = np.random.default_rng([options.seed, number])
        for _ in range(options.moments):
            days, outcome = _outcome(home, rng)
            for name in (home.kind, f"{days:2} days", "all"):
                groups[name].append(outcome)
    rows = [(name, len(groups[name]), *np.mean(groups[name], axis=0).tolist()) for name in sorted(groups)]
    report("gaps", HEADINGS, rows, seconds=time.perf_counter() - started)


def _outcome(home: Home, rng: np.random.Generator) -> tuple[int, Outcome]:
    """Return the length of a random gap in days, in a cycle of random length, and how well it was estimated."""
    before, cycle, days = (int(rng.choice(choice)) for choice in (HISTORY, CYCLE_DAYS, GAP_DAYS))
    first = int(rng.integers(before, DAYS - cycle))
    past = slice((first - before) * 24, (first + cycle) * 24)
    begins = before * 24 + int(rng.integers((cycle - days) * 24))
    wh, known, gap = home.used_wh[past], np.ones(past.stop - past.start), slice(begins, begins + days * 24)
    known[gap] = 0
    made = forecast(home.starts[past], wh * known, [], known=known, since=before * 24)
    assert not isinstance(made, TooLittle)
    expected, low, high = made.missing
    used, place = wh[gap].sum() / 1000, np.array([start.weekday() * 24 + start.hour for start in home.starts[past]])
    usual = np.bincount(place, wh * known, 168) / np.maximum(np.bincount(place, known, 168), 1)
    guesses = (expected, usual[place[gap]].sum() / 1000, (wh * known).sum() / known.sum() * days * 24 / 1000)
    percents = (*(abs(guess - used) for guess in guesses), used * (low <= used <= high), high - low)
    return days, Outcome(*(100 * figure / used for figure in percents))


if __name__ == "__main__":
    main()
