"""How good the forecast of a cycle is: backtests on simulated homes, and on any CSV of `manage.py export_history --resolution 1h`.

At random moments of 60-day cycles, with random lengths of history, the rest of the cycle is forecast and compared with what was used.
Errors and the interval's width are in per cent of what the rest used. The reference is the mean of the complete days so far × days.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from _common import report
from _home_files import home_of_file
from _homes import Array, Home, homes

from tariffs.outlook.forecast import LEAST_DAYS, TooLittle, forecast

CYCLE_DAYS, TO_GO, HISTORY = 60, (5, 15, 30, 45), (3, 7, 14, 28, 56)
HEADINGS = ("", "forecasts", "error %", "days so far %", "held %", "above %", "width %")


class Case(NamedTuple):
    """A moment, as indexes into the home's hours: the first known hour, the cycle's first, midnight, now, the end."""

    known: int
    cycle: int
    today: int
    now: int
    end: int
    days_known: int
    days_to_go: int


class Outcome(NamedTuple):
    """In per cent of what the rest used: both errors, whether the interval held or more was used, its width."""

    error: float
    rival_error: float
    held: float
    above: float
    width: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--csv", nargs="+", type=Path, metavar="FILE", help="homes to test on, instead of simulated ones")
    add("--zone", type=ZoneInfo, default="America/Mexico_City", help="time zone of the files' homes (%(default)s)")
    add("--only", metavar="HARDWARE_ID", help="use only this device of the files, such as the mains (default: all)")
    add("--homes", type=int, default=30, help="simulated homes of each kind (%(default)s)")
    add("--moments", type=int, default=16, help="forecasts for each home (%(default)s)")
    add("--seed", type=int, default=2026, help="random seed (%(default)s)")
    options = parser.parse_args()
    try:
        files = [home_of_file(path, options.zone, options.only) for path in options.csv or ()]
    except (OSError, ValueError) as error:
        raise SystemExit(f"the file can't be used: {error}") from error
    started = time.perf_counter()
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for number, home in enumerate(files or homes(options.homes, options.seed)):
        for case in _cases(home, np.random.default_rng([options.seed, number]), options.moments):
            outcome = _outcome(home, case)
            for name in (home.kind, f"{case.days_to_go:2} days to go", f"{case.days_known:2} days known", "all"):
                groups[name].append(outcome)
    if not groups:
        raise SystemExit("there is no moment with enough hours before and after it")
    _tell(groups, time.perf_counter() - started)


def _tell(groups: dict[str, list[Outcome]], seconds: float) -> None:
    means = {name: Outcome(*np.mean(outcomes, axis=0).tolist()) for name, outcomes in groups.items()}
    names = sorted(groups, key=lambda name: (name == "all", " days " in name, name[3:] if " days " in name else "", name))
    missed = [name for name in names if " days " not in name and not 75 <= means[name].held <= 85]
    facts = {"seconds": seconds, "aim_held_75_to_85": not missed, "held_more_or_less": ", ".join(missed) or "none"}
    if "weekly" in means:
        facts["aim_weekly_below_days_so_far"] = means["weekly"].error < means["weekly"].rival_error
    report("forecast", HEADINGS, [(name, len(groups[name]), *means[name]) for name in names], **facts)


def _cases(home: Home, rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Yield moments with three days of data in the history, one in the cycle so far, and nine tenths of the rest known."""
    midnights = [place for place, start in enumerate(home.starts) if start.hour == 0]
    seen, used = np.isfinite(home.seen_wh), np.isfinite(home.used_wh)
    for _ in range(count):
        known, to_go = int(rng.choice(HISTORY)), int(rng.choice(TO_GO))
        if len(midnights) <= known + to_go:
            continue
        day = int(rng.integers(known, len(midnights) - to_go))
        now, cycle = midnights[day] + int(rng.integers(24)), day - min(known, CYCLE_DAYS - to_go)
        case = Case(midnights[day - known], midnights[cycle], midnights[day], now, midnights[day + to_go], known, to_go)
        enough = seen[case.known : now].sum() >= LEAST_DAYS * 24 and seen[case.cycle : case.today].sum() >= 24
        if enough and used[now : case.end].mean() > 0.9:
            yield case


def _outcome(home: Home, case: Case) -> Outcome:
    past, rest = slice(case.known, case.now), slice(case.now, case.end)
    made = forecast(home.starts[past], home.seen_wh[past], home.starts[rest])
    assert not isinstance(made, TooLittle)
    used = _kwh(home.used_wh[rest], float(np.nanmean(home.used_wh[rest])))
    expected, low, high = made.total
    errors = (abs(guess - used) for guess in (expected, _days_so_far(home, case)))
    percents = (*errors, used * (low <= used <= high), used * (used > high), high - low)
    return Outcome(*(100 * figure / used for figure in percents))


def _days_so_far(home: Home, case: Case) -> float:
    """Return the kWh of the rest if each day is the mean of the cycle's complete days so far."""
    mean = float(np.nanmean(home.seen_wh[case.cycle : case.today]))
    return mean * (case.end - case.today) / 1000 - _kwh(home.seen_wh[case.today : case.now], mean)


def _kwh(wh: Array, instead: float) -> float:
    """Return the sum in kWh; unknown hours count as `instead`."""
    return float(np.where(np.isfinite(wh), wh, instead).sum() / 1000)


if __name__ == "__main__":
    main()
