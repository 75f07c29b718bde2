"""The CSV file that CFE's prices are kept in: text in, rates out with what looks odd, or every bad line with its reason. Pure."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from tariffs.constants import DAC, NATIONAL, Provenance, Season, Tier
from tariffs.prices import Rate

COLUMNS = Rate._fields
TARIFFS = ("1", "1A", "1B", "1C", "1D", "1E", "1F", DAC)
# As CFE prints them, and as a contract names them.
DAC_REGIONS = {
    "Baja California": "baja_california",
    "Baja California Sur": "baja_california_sur",
    "Central": "central",
    "Noroeste": "noroeste",
    "Norte y Noreste": "norte_y_noreste",
    "Sur y Peninsular": "sur_y_peninsular",
}
TIER_ORDER = list(Tier)
GROUP = ("tariff", "season", "month", "region")  # what the tiers of one bill share


# A price that moved by more than this share from the month before is rather a slip of the pen.
ODD_MOVE = Decimal("0.30")


class PriceFile(NamedTuple):
    """The rates of a file in its order, and a sentence for each line that is possible but odd."""

    rates: list[Rate]
    warnings: list[str]


class PriceFileError(ValueError):
    """The file can't be used; `errors` has one sentence for each bad line, in the file's order."""

    def __init__(self, errors: list[str]) -> None:
        """Keep the sentences."""
        super().__init__("\n".join(errors))
        self.errors = errors


class _Problem(ValueError):
    """What is wrong with a line, and what can still be believed of it: (column, value) pairs."""

    def __init__(self, text: str, believed: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__(text)
        self.believed = frozenset(believed)


def _matching(pattern: str, what: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise _Problem(f"{what}, not {text!r}")
        return convert(text)

    return read


def _one_of(choices: Iterable[str], convert: Callable[[str], Any] = str) -> Callable[[str], Any]:
    known = list(choices)

    def read(text: str) -> Any:
        if text not in known:
            raise _Problem(f"is one of {', '.join(known)}, not {text!r}")
        return convert(text)

    return read


READERS: dict[str, Callable[[str], Any]] = {
    "tariff": _one_of(TARIFFS),
    "season": _one_of(Season, Season),
    "tier": _one_of(Tier, Tier),
    "month": _matching(r"20\d\d-(0[1-9]|1[0-2])", "is a month as YYYY-MM", lambda text: date.fromisoformat(f"{text}-01")),
    "price_mxn_per_kwh": _matching(r"(?=.*[1-9])\d{1,4}(\.\d{1,3})?", "is a positive number with up to 3 decimals", Decimal),
    "lower_kwh_month": _matching(r"\d{1,6}", "is a whole number", int),
    "upper_kwh_month": _matching(r"(\d{1,6})?", "is a whole number or empty", lambda text: int(text) if text else None),
    "region": _one_of([NATIONAL, *DAC_REGIONS], lambda text: DAC_REGIONS.get(text, text)),
    "fixed_charge_mxn_month": _matching(
        r"(\d{1,5}(\.\d{1,2})?)?", "is a number with up to 2 decimals or empty", lambda text: Decimal(text) if text else None
    ),
    "provenance": _one_of(Provenance, Provenance),
}


def read_prices(lines: Iterable[str], known: Iterable[Rate] = ()) -> PriceFile:
    """Read a file; blank lines are passed over. Raises PriceFileError with every bad line.

    A price is odd when it is far from that of the month before, which may be one of the `known` where the file does not hold it.
    """
    rates: dict[int, Rate] = {}
    problems: dict[int, _Problem] = {}
    for number, cells in _rows(lines):
        try:
            rates[number] = _rate(cells)
        except _Problem as problem:
            problems[number] = problem
    if not rates and not problems:
        raise PriceFileError(["line 1: no price follows the header"])
    errors = {number: str(problem) for number, problem in problems.items()}
    errors |= _errors_between(rates, [problem.believed for problem in problems.values()])
    if errors:
        raise PriceFileError([f"line {number}: {text}" for number, text in sorted(errors.items())])
    return PriceFile(list(rates.values()), list(_odd_moves(rates, known)))


def _odd_moves(rates: dict[int, Rate], known: Iterable[Rate]) -> Iterator[str]:
    prices = {_of_month(rate, rate.month): rate.price_mxn_per_kwh for rate in [*known, *rates.values()]}
    for number, rate in rates.items():
        before = prices.get(_of_month(rate, (rate.month - timedelta(days=1)).replace(day=1)))
        if before and abs(rate.price_mxn_per_kwh - before) > ODD_MOVE * before:
            move = (rate.price_mxn_per_kwh / before - 1) * 100
            yield f"line {number}: {rate.price_mxn_per_kwh} is {move:+.0f} % from the month before ({before})"


def _of_month(rate: Rate, month: date) -> tuple[object, ...]:
    return rate.tariff, rate.region, rate.season, rate.tier, month


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the header with the number of their line. Raises PriceFileError where the text is not CSV."""
    reader = csv.reader(lines, strict=True)
    try:
        if (header := next(reader, [])) != list(COLUMNS):
            raise PriceFileError([f"line 1: the columns are {','.join(COLUMNS)}, not {','.join(header)}"])
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise PriceFileError([f"line {reader.line_num}: is not CSV: {error}"]) from error


def _rate(cells: list[str]) -> Rate:
    """Return the rate of one line. Raises _Problem with everything that is wrong with it."""
    values: dict[str, Any] = {}
    problems = []
    for name, text in zip(COLUMNS, cells, strict=False):
        try:
            values[name] = READERS[name](text)
        except _Problem as problem:
            problems.append(f"{name} {problem}")
    believed = [(name, values[name]) for name in ("tariff", "season", "month") if name in values]
    if len(cells) != len(COLUMNS):
        raise _Problem(f"has {len(cells)} columns, not {len(COLUMNS)}", believed)
    if problems:
        raise _Problem("; ".join(problems), believed)
    rate = Rate(**values)
    if contradictions := list(_contradictions(rate)):
        raise _Problem("; ".join(contradictions), [("season", rate.season), ("month", rate.month)])
    return rate


def _contradictions(rate: Rate) -> Iterator[str]:
    is_dac = rate.tariff == DAC
    if is_dac != (rate.region != NATIONAL):
        yield f"region of tariff {rate.tariff} is {'one of DAC' if is_dac else NATIONAL}, not {rate.region}"
    if is_dac != (rate.tier == Tier.ENERGY):
        yield f"tariff {rate.tariff} has no tier {rate.tier}"
    if rate.fixed_charge_mxn_month is not None and not is_dac:
        yield f"tariff {rate.tariff} has no fixed charge"
    if rate.upper_kwh_month is not None and rate.upper_kwh_month <= rate.lower_kwh_month:
        yield f"upper_kwh_month {rate.upper_kwh_month} is not above lower_kwh_month {rate.lower_kwh_month}"


def _errors_between(rates: dict[int, Rate], doubtful: list[frozenset[tuple[str, Any]]]) -> dict[int, str]:
    """Return what is wrong between the tiers of each tariff, season, month and region.

    Where a line that is bad in itself may belong among them, they are left alone: the gap is its doing.
    """
    groups: dict[frozenset[tuple[str, Any]], list[tuple[int, Rate]]] = defaultdict(list)
    for number, rate in rates.items():
        groups[frozenset((name, getattr(rate, name)) for name in GROUP)].append((number, rate))
    errors: dict[int, str] = {}
    for group, tiers in groups.items():
        repeats = dict(_repeats(tiers))
        errors |= repeats
        if not repeats and not any(believed <= group for believed in doubtful):
            errors |= dict(_seams(sorted(tiers, key=lambda item: TIER_ORDER.index(item[1].tier))))
    return errors


def _repeats(tiers: list[tuple[int, Rate]]) -> Iterator[tuple[int, str]]:
    seen: dict[Tier, int] = {}
    for number, rate in tiers:
        if rate.tier in seen:
            yield number, f"repeats the {rate.tier} of line {seen[rate.tier]}"
        seen.setdefault(rate.tier, number)


def _seams(tiers: list[tuple[int, Rate]]) -> Iterator[tuple[int, str]]:
    limit: int | None = 0
    for number, rate in tiers:
        if rate.lower_kwh_month != limit:
            before = "the tier before it has no end" if limit is None else f"{limit} kWh is where it should"
            yield number, f"{rate.tier} begins at {rate.lower_kwh_month} kWh, but {before}"
        limit = rate.upper_kwh_month
    if limit is not None:
        yield tiers[-1][0], f"{tiers[-1][1].tier} ends at {limit} kWh, but nothing follows"
