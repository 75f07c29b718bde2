from collections.abc import Callable

import pytest
from django.utils import translation
from django.utils.translation import gettext

from accounts.api.fields import RATES
from accounts.cfe_tariffs import DAC_REGIONS, TARIFFS
from accounts.models import Contract
from tariffs.cfe.price_file import COLUMNS, PriceFileError, read_prices, write_prices
from tariffs.cfe.tariffs import DAC_LIMITS_KWH_MONTH, NATIONAL, PRICES_FILE, TIER_NAMES, Season, Tier
from tariffs.models import Price
from tariffs.tests.helpers import all_rates

HEADER = ",".join(COLUMNS)
GOOD = [
    "1B,verano,basico,2026-05,1.004,0,125,nacional,,published",
    "1B,verano,intermedio,2026-05,1.163,125,225,nacional,,published",
    "1B,verano,excedente,2026-05,3.984,225,,nacional,,published",
    "DAC,todo_el_ano,energia,2026-05,6.842,0,,Central,145.24,published",
]
LIMITS = {  # kWh a month as CFE publishes them
    ("1", Season.ALL_YEAR): [75, 140, None],
    ("1A", Season.NOT_SUMMER): [75, 150, None],
    ("1A", Season.SUMMER): [100, 150, None],
    ("1B", Season.NOT_SUMMER): [75, 175, None],
    ("1B", Season.SUMMER): [125, 225, None],
    ("1C", Season.NOT_SUMMER): [75, 175, None],
    ("1C", Season.SUMMER): [150, 300, 450, None],
    ("1D", Season.NOT_SUMMER): [75, 200, None],
    ("1D", Season.SUMMER): [175, 400, 600, None],
    ("1E", Season.NOT_SUMMER): [75, 200, None],
    ("1E", Season.SUMMER): [300, 750, 900, None],
    ("1F", Season.NOT_SUMMER): [75, 200, None],
    ("1F", Season.SUMMER): [300, 1200, 2500, None],
}


def _errors(lines: list[str], header: str = HEADER) -> list[str]:
    with pytest.raises(PriceFileError) as caught:
        read_prices([header, *lines])
    return [str(error) for error in caught.value.errors]


def test_the_project_s_own_prices_are_whole() -> None:
    assert len(all_rates()) == 1445
    found = {key: set[tuple[int | None, ...]]() for key in LIMITS}
    for tariff, season in LIMITS:
        by_month: dict[object, list[int | None]] = {}
        for rate in all_rates():
            if (rate.tariff, rate.season) == (tariff, season):
                by_month.setdefault(rate.month, []).append(rate.upper_kwh_month)
        found[tariff, season] = {tuple(sorted(x, key=lambda n: n or 10**9)) for x in by_month.values()}
    assert found == {key: {tuple(limits)} for key, limits in LIMITS.items()}


def test_contracts_prices_and_the_api_know_the_same_tariffs_and_regions() -> None:
    in_file = {rate.tariff for rate in all_rates()}, {rate.region for rate in all_rates()} - {NATIONAL}
    assert in_file == (set(TARIFFS), set(DAC_REGIONS))
    for model in (Contract, Price):
        assert [value for value, _label in model._meta.get_field("tariff").flatchoices] == list(TARIFFS)
    assert dict(Contract._meta.get_field("dac_region").flatchoices) == DAC_REGIONS
    assert [rate.upper() for rate in RATES] == list(TARIFFS)
    assert set(DAC_LIMITS_KWH_MONTH) == {value for value, _label in Contract._meta.get_field("base_tariff").flatchoices}
    assert set(TIER_NAMES) == set(Tier)


def test_a_good_file_becomes_rates_in_its_order() -> None:
    rates = read_prices([HEADER, *GOOD]).rates
    assert [(rate.tier, rate.upper_kwh_month) for rate in rates[:3]] == [
        (Tier.BASIC, 125),
        (Tier.MIDDLE, 225),
        (Tier.EXCESS, None),
    ]
    assert (rates[3].region, str(rates[3].fixed_charge_mxn_month)) == ("central", "145.24")


@pytest.mark.parametrize(
    ("line", "old", "new", "message"),
    [
        (0, "1.004", "1,004", "has 11 columns, not 10"),
        (0, "1.004", "NaN", "price_mxn_per_kwh is a positive number with up to 3 decimals, not 'NaN'"),
        (0, "1.004", "1e3", "price_mxn_per_kwh is a positive number"),
        (0, "1.004", "-1.004", "price_mxn_per_kwh is a positive number"),
        (0, "1.004", "0.000", "price_mxn_per_kwh is a positive number"),
        (0, "1.004", "1_0", "price_mxn_per_kwh is a positive number"),
        (0, "1.004", "", "price_mxn_per_kwh is a positive number"),
        (0, "1B", "1G", "tariff is one of 1, 1A"),
        (0, "verano", "invierno", "season is one of todo_el_ano"),
        (0, "basico", "Básico", "tier is one of basico"),
        (0, "2026-05", "2026-13", "month is a month as YYYY-MM, not '2026-13'"),
        (0, "2026-05", "05/2026", "month is a month as YYYY-MM"),
        (0, "nacional", "Sonora", "region is one of nacional"),
        (0, "nacional", "Central", "region of tariff 1B is nacional, not central"),
        (0, ",,published", ",9.99,published", "tariff 1B has no fixed charge"),
        (0, "published", "guessed", "provenance is one of published, derived"),
        (0, "0,125", "0.5,125", "lower_kwh_month is a whole number"),
        (0, "0,125", "125,125", "upper_kwh_month 125 is not above lower_kwh_month 125"),
        (1, "125,225", "126,225", "intermedio begins at 126 kWh, but 125 kWh is where it should"),
        (1, "125,225", "120,225", "intermedio begins at 120 kWh, but 125 kWh is where it should"),
        (1, "125,225", "125,", "excedente begins at 225 kWh, but the tier before it has no end"),
        (2, "225,", "225,900", "excedente ends at 900 kWh, but nothing follows"),
        (3, "Central", "nacional", "region of tariff DAC is one of DAC, not nacional"),
        (3, "energia", "excedente", "tariff DAC has no tier excedente"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(line: int, old: str, new: str, message: str) -> None:
    lines = list(GOOD)
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    errors = _errors(lines)
    assert len(errors) == 1
    assert message in errors[0]
    with pytest.raises(PriceFileError) as caught:
        read_prices([HEADER, *lines])
    with translation.override("es-mx"):
        assert all(gettext(remark.template) != remark.template for remark in caught.value.errors[0].remarks)
    if "before it has no end" not in message:
        assert errors[0].startswith(f"line {line + 2}: ")


def test_a_repeated_price_is_named_with_the_line_it_repeats() -> None:
    assert _errors([*GOOD, GOOD[1].replace("1.163", "1.200")]) == ["line 6: repeats the intermedio of line 3"]


def test_a_gap_is_named_beside_a_bad_line_of_another_month() -> None:
    june = [line.replace("2026-05", "2026-06") for line in GOOD]
    assert [error.split(":")[0] for error in _errors([GOOD[0].replace("1.004", "x"), *GOOD[1:], june[0], june[2]])] == [
        "line 2",
        "line 7",
    ]


def test_a_missing_tier_is_seen_at_the_next_one() -> None:
    assert _errors([GOOD[0], GOOD[2]]) == ["line 3: excedente begins at 225 kWh, but 125 kWh is where it should"]


def test_every_bad_line_is_named_once_in_the_file_s_order() -> None:
    june = [line.replace("2026-05", "2026-06") for line in GOOD]
    bad = [GOOD[0].replace("1.004", "x").replace("2026-05", "May"), "", GOOD[3].replace("DAC", "DUC"), "1B", june[0]]
    errors = _errors(bad)
    assert [error.split(":")[0] for error in errors] == ["line 2", "line 4", "line 5"]
    assert "month is" in errors[0]
    assert "price_mxn_per_kwh is" in errors[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _errors(GOOD, header="tarifa,mes"), "line 1: the columns are tariff,season"),
        (lambda: _errors([]), "line 1: no price follows the header"),
        (lambda: _errors(['1B,"verano']), "is not CSV"),
    ],
)
def test_what_is_no_price_list_is_refused(make: Callable[[], list[str]], message: str) -> None:
    assert message in make()[0]


def test_the_project_s_file_ends_its_lines_as_the_repository_does() -> None:
    assert b"\r" not in PRICES_FILE.read_bytes()


def test_a_price_far_from_the_month_before_is_odd_whether_the_file_or_the_table_has_that_month() -> None:
    march = GOOD[0].replace("2026-05", "2026-06").replace("1.004", "1.306")
    found = read_prices([HEADER, *GOOD[:3], "", march, *(line.replace("2026-05", "2026-06") for line in GOOD[1:3])])
    assert [str(warning) for warning in found.warnings] == ["line 6: 1.306 is +30 % from the month before (1.004)"]
    alone = [march, *(line.replace("2026-05", "2026-06") for line in GOOD[1:3])]
    assert read_prices([HEADER, *alone]).warnings == []
    assert len(read_prices([HEADER, *alone], known=read_prices([HEADER, *GOOD]).rates).warnings) == 1
    cheaper = [march.replace("1.306", "0.702"), *alone[1:]]
    assert "-30 %" in str(read_prices([HEADER, *cheaper], known=read_prices([HEADER, *GOOD]).rates).warnings[0])


def test_a_price_far_from_a_month_after_that_the_table_has_is_odd() -> None:
    april = [line.replace("2026-05", "2026-04") for line in GOOD[:3]]
    odd = [april[0].replace("1.004", "1.650"), *april[1:]]
    may = read_prices([HEADER, *GOOD]).rates
    assert read_prices([HEADER, *april], known=may).warnings == []
    assert [str(each) for each in read_prices([HEADER, *odd], known=may).warnings] == [
        "line 2: 1.650 is +64 % from the month after (1.004)"
    ]


def test_no_price_of_the_project_s_own_is_odd() -> None:
    with PRICES_FILE.open(encoding="utf-8", newline="") as lines:
        assert read_prices(lines).warnings == []


def test_prices_are_written_as_the_project_s_own_file_has_them_and_read_back_the_same() -> None:
    text = write_prices(all_rates())
    with PRICES_FILE.open(encoding="utf-8", newline="") as lines:
        assert sorted(text.splitlines(keepends=True)) == sorted(lines)
    assert sorted(read_prices(text.splitlines()).rates) == sorted(all_rates())
    assert text == write_prices(reversed(all_rates()))
    assert text.startswith(f"{HEADER}\n1,todo_el_ano,basico,2024-01,")
