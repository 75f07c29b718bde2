"""The CSV file that CFE's prices are kept in: text in, rates out with what looks odd, or every bad line with its reason; and back. Pure."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from accounts.cfe_tariffs import DAC_REGIONS, TARIFFS
from tariffs.cfe.price_checks import Remark, contradictions, odd_moves, seams
from tariffs.cfe.prices import TIER_ORDER, Rate
from tariffs.cfe.tariffs import NATIONAL, Provenance, Season, Tier

COLUMNS = Rate._fields
PRINTED_REGIONS = {printed: region for region, printed in DAC_REGIONS.items()}
GROUP = ("tariff", "season", "month", "region")  # what the tiers of one bill share


class Notice(NamedTuple):
    """The remarks on one line of a file."""

    line: int
    remarks: tuple[Remark, ...]

    def __str__(self) -> str:
        return f"line {self.line}: {'; '.join(map(str, self.remarks))}"


class PriceFile(NamedTuple):
    """The rates of a file in its order, and a notice for each line that is possible but odd."""

    rates: list[Rate]
    warnings: list[Notice]


class PriceFileError(ValueError):
    """The file can't be used; `errors` has one notice for each bad line, in the file's order."""

    def __init__(self, errors: list[Notice]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class _Problem(ValueError):
    """What is wrong with a line, and what can still be believed of it: (column, value) pairs."""

    def __init__(self, *remarks: Remark, believed: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__(*remarks)
        self.remarks = remarks
        self.believed = frozenset(believed)


def _remark(template: str, **values: Any) -> Remark:
    return Remark(template, values)


def _matching(pattern: str, template: str, convert: Callable[[str], Any]) -> Callable[[str, str], Any]:
    def read(column: str, text: str) -> Any:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise _Problem(_remark(template, column=column, text=text))
        return convert(text)

    return read


def _one_of(choices: Iterable[str], convert: Callable[[str], Any] = str) -> Callable[[str, str], Any]:
    known = list(choices)

    def read(column: str, text: str) -> Any:
        if text not in known:
            template = "%(column)s is one of %(known)s, not %(text)r"
            raise _Problem(_remark(template, column=column, known=", ".join(known), text=text))
        return convert(text)

    return read


READERS: dict[str, Callable[[str, str], Any]] = {
    "tariff": _one_of(TARIFFS),
    "season": _one_of(Season, Season),
    "tier": _one_of(Tier, Tier),
    "month": _matching(
        r"20\d\d-(0[1-9]|1[0-2])",
        "%(column)s is a month as YYYY-MM, not %(text)r",
        lambda text: date.fromisoformat(f"{text}-01"),
    ),
    "price_mxn_per_kwh": _matching(
        r"(?=.*[1-9])\d{1,4}(\.\d{1,3})?", "%(column)s is a positive number with up to 3 decimals, not %(text)r", Decimal
    ),
    "lower_kwh_month": _matching(r"\d{1,6}", "%(column)s is a whole number, not %(text)r", int),
    "upper_kwh_month": _matching(
        r"(\d{1,6})?", "%(column)s is a whole number or empty, not %(text)r", lambda text: int(text) if text else None
    ),
    "region": _one_of([NATIONAL, *PRINTED_REGIONS], lambda text: PRINTED_REGIONS.get(text, text)),
    "fixed_charge_mxn_month": _matching(
        r"(\d{1,5}(\.\d{1,2})?)?",
        "%(column)s is a number with up to 2 decimals or empty, not %(text)r",
        lambda text: Decimal(text) if text else None,
    ),
    "provenance": _one_of(Provenance, Provenance),
}


def read_prices(lines: Iterable[str], known: Iterable[Rate] = ()) -> PriceFile:
    """Read a file; blank lines are passed over. Raises PriceFileError with every bad line.

    A price is odd when it is far from that of a month beside it, which may be one of the `known` where the file does not hold it.
    """
    rates: dict[int, Rate] = {}
    problems: dict[int, _Problem] = {}
    for number, cells in _rows(lines):
        try:
            rates[number] = _rate(cells)
        except _Problem as problem:
            problems[number] = problem
    if not rates and not problems:
        raise PriceFileError([Notice(1, (_remark("no price follows the header"),))])
    errors = {number: problem.remarks for number, problem in problems.items()}
    errors |= _errors_between(rates, [problem.believed for problem in problems.values()])
    if errors:
        raise PriceFileError([Notice(number, errors[number]) for number in sorted(errors)])
    return PriceFile(list(rates.values()), [Notice(number, (remark,)) for number, remark in odd_moves(rates, known)])


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the header with the number of their line. Raises PriceFileError where the text is not CSV."""
    reader = csv.reader(lines, strict=True)
    try:
        if (header := next(reader, [])) != list(COLUMNS):
            remark = _remark("the columns are %(columns)s, not %(text)s", columns=",".join(COLUMNS), text=",".join(header))
            raise PriceFileError([Notice(1, (remark,))])
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise PriceFileError([Notice(reader.line_num, (_remark("is not CSV: %(error)s", error=error),))]) from error


def _rate(cells: list[str]) -> Rate:
    """Return the rate of one line. Raises _Problem with everything that is wrong with it."""
    values: dict[str, Any] = {}
    remarks: list[Remark] = []
    for name, text in zip(COLUMNS, cells, strict=False):
        try:
            values[name] = READERS[name](name, text)
        except _Problem as problem:
            remarks += problem.remarks
    believed = [(name, values[name]) for name in ("tariff", "season", "month") if name in values]
    if len(cells) != len(COLUMNS):
        raise _Problem(_remark("has %(count)d columns, not %(right)d", count=len(cells), right=len(COLUMNS)), believed=believed)
    if remarks:
        raise _Problem(*remarks, believed=believed)
    rate = Rate(**values)
    if against_itself := list(contradictions(rate)):
        raise _Problem(*against_itself, believed=[("season", rate.season), ("month", rate.month)])
    return rate


def _errors_between(rates: dict[int, Rate], doubtful: list[frozenset[tuple[str, Any]]]) -> dict[int, tuple[Remark, ...]]:
    """Return what is wrong between the tiers of each tariff, season, month and region.

    Where a line that is bad in itself may belong among them, they are left alone: the gap is its doing.
    """
    groups: dict[frozenset[tuple[str, Any]], list[tuple[int, Rate]]] = defaultdict(list)
    for number, rate in rates.items():
        groups[frozenset((name, getattr(rate, name)) for name in GROUP)].append((number, rate))
    errors: dict[int, Remark] = {}
    for group, tiers in groups.items():
        repeats = dict(_repeats(tiers))
        errors |= repeats
        if not repeats and not any(believed <= group for believed in doubtful):
            errors |= dict(seams(tiers))
    return {number: (remark,) for number, remark in errors.items()}


def _repeats(tiers: list[tuple[int, Rate]]) -> Iterator[tuple[int, Remark]]:
    seen: dict[Tier, int] = {}
    for number, rate in tiers:
        if rate.tier in seen:
            yield number, _remark("repeats the %(tier)s of line %(line)d", tier=rate.tier, line=seen[rate.tier])
        seen.setdefault(rate.tier, number)


def write_prices(rates: Iterable[Rate]) -> str:
    """Return the file that the rates read back from, sorted by month, tariff, region, season and tier."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    order = sorted(rates, key=lambda rate: (rate.month, rate.tariff, rate.region, rate.season, TIER_ORDER.index(rate.tier)))
    writer.writerows(price_cells(rate) for rate in order)
    return text.getvalue()


def price_cells(rate: Rate) -> list[str]:
    """Return the cells of a rate's line: the month without its day, the region as CFE prints it, nothing for None."""
    shown = rate._replace(region=DAC_REGIONS.get(rate.region, rate.region))._asdict() | {"month": f"{rate.month:%Y-%m}"}
    return ["" if value is None else str(value) for value in shown.values()]
