"""The CSV file that CFE's prices are kept in: text in, rates out with what looks odd, or every bad line with its reason; and back. Pure."""

import csv
import io
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
REGION_LABELS = {region: label for label, region in DAC_REGIONS.items()}
TIER_ORDER = list(Tier)
GROUP = ("tariff", "season", "month", "region")  # what the tiers of one bill share


# A price that moved by more than this share from the month before is rather a slip of the pen.
ODD_MOVE = Decimal("0.30")


class Remark(NamedTuple):
    """A sentence in English, and the template and values that it is made of, for those who speak another language."""

    template: str
    values: dict[str, Any]

    def __str__(self) -> str:
        return self.template % self.values


class Notice(NamedTuple):
    """What there is to say about one line of a file."""

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
        """Keep the notices."""
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
    "region": _one_of([NATIONAL, *DAC_REGIONS], lambda text: DAC_REGIONS.get(text, text)),
    "fixed_charge_mxn_month": _matching(
        r"(\d{1,5}(\.\d{1,2})?)?",
        "%(column)s is a number with up to 2 decimals or empty, not %(text)r",
        lambda text: Decimal(text) if text else None,
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
        raise PriceFileError([Notice(1, (_remark("no price follows the header"),))])
    errors = {number: problem.remarks for number, problem in problems.items()}
    errors |= _errors_between(rates, [problem.believed for problem in problems.values()])
    if errors:
        raise PriceFileError([Notice(number, errors[number]) for number in sorted(errors)])
    return PriceFile(list(rates.values()), list(_odd_moves(rates, known)))


def _odd_moves(rates: dict[int, Rate], known: Iterable[Rate]) -> Iterator[Notice]:
    prices = {_of_month(rate, rate.month): rate.price_mxn_per_kwh for rate in [*known, *rates.values()]}
    for number, rate in rates.items():
        before = prices.get(_of_month(rate, (rate.month - timedelta(days=1)).replace(day=1)))
        if before and abs(rate.price_mxn_per_kwh - before) > ODD_MOVE * before:
            move = (rate.price_mxn_per_kwh / before - 1) * 100
            template = "%(price)s is %(move)+.0f %% from the month before (%(before)s)"
            yield Notice(number, (_remark(template, price=rate.price_mxn_per_kwh, move=move, before=before),))


def _of_month(rate: Rate, month: date) -> tuple[object, ...]:
    return rate.tariff, rate.region, rate.season, rate.tier, month


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
    if contradictions := list(_contradictions(rate)):
        raise _Problem(*contradictions, believed=[("season", rate.season), ("month", rate.month)])
    return rate


def _contradictions(rate: Rate) -> Iterator[Remark]:
    is_dac, values = rate.tariff == DAC, rate._asdict()
    if is_dac and rate.region == NATIONAL:
        yield Remark("region of tariff %(tariff)s is one of DAC, not %(region)s", values)
    if not is_dac and rate.region != NATIONAL:
        yield Remark("region of tariff %(tariff)s is %(national)s, not %(region)s", values | {"national": NATIONAL})
    if is_dac != (rate.tier == Tier.ENERGY):
        yield Remark("tariff %(tariff)s has no tier %(tier)s", values)
    if rate.fixed_charge_mxn_month is not None and not is_dac:
        yield Remark("tariff %(tariff)s has no fixed charge", values)
    if rate.upper_kwh_month is not None and rate.upper_kwh_month <= rate.lower_kwh_month:
        yield Remark("upper_kwh_month %(upper_kwh_month)d is not above lower_kwh_month %(lower_kwh_month)d", values)


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
            errors |= dict(_seams(sorted(tiers, key=lambda item: TIER_ORDER.index(item[1].tier))))
    return {number: (remark,) for number, remark in errors.items()}


def _repeats(tiers: list[tuple[int, Rate]]) -> Iterator[tuple[int, Remark]]:
    seen: dict[Tier, int] = {}
    for number, rate in tiers:
        if rate.tier in seen:
            yield number, _remark("repeats the %(tier)s of line %(line)d", tier=rate.tier, line=seen[rate.tier])
        seen.setdefault(rate.tier, number)


def _seams(tiers: list[tuple[int, Rate]]) -> Iterator[tuple[int, Remark]]:
    limit: int | None = 0
    for number, rate in tiers:
        values = {"tier": rate.tier, "lower": rate.lower_kwh_month, "limit": limit}
        if limit is None:
            yield number, Remark("%(tier)s begins at %(lower)d kWh, but the tier before it has no end", values)
        elif rate.lower_kwh_month != limit:
            yield number, Remark("%(tier)s begins at %(lower)d kWh, but %(limit)d kWh is where it should", values)
        limit = rate.upper_kwh_month
    if limit is not None:
        yield tiers[-1][0], _remark("%(tier)s ends at %(limit)d kWh, but nothing follows", tier=tiers[-1][1].tier, limit=limit)


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
    shown = rate._replace(region=REGION_LABELS.get(rate.region, rate.region))._asdict() | {"month": f"{rate.month:%Y-%m}"}
    return ["" if value is None else str(value) for value in shown.values()]
