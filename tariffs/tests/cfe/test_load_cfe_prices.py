import gzip
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from tariffs.cfe.price_file import COLUMNS
from tariffs.cfe.tariffs import PRICES_FILE
from tariffs.models import Price
from tariffs.services import prices_load
from tariffs.tests.helpers import all_rates

pytestmark = pytest.mark.django_db
FIXTURE = PRICES_FILE.with_suffix(".json.gz")
MAY = [
    ",".join(COLUMNS),
    "1B,verano,basico,2026-05,1.004,0,125,nacional,,published",
    "1B,verano,intermedio,2026-05,1.163,125,225,nacional,,published",
    "1B,verano,excedente,2026-05,3.984,225,,nacional,,published",
]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[str]], Path]:
    def write(lines: list[str]) -> Path:
        path = tmp_path / "prices.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def _load(*arguments: object) -> str:
    output = StringIO()
    call_command("load_cfe_prices", *map(str, arguments), stdout=output)
    return output.getvalue()


def test_the_project_s_prices_load_and_loading_again_changes_nothing() -> None:
    assert _load() == "1445 added, 0 changed, 0 removed, 0 unchanged\n"
    assert _load() == "0 added, 0 changed, 0 removed, 1445 unchanged\n"
    assert sorted(Price.objects.rates()) == sorted(all_rates())


def test_a_changed_price_is_printed_before_and_after(write: Callable[[list[str]], Path]) -> None:
    _load(write(MAY))
    lines = [MAY[0], MAY[1].replace("published", "derived"), MAY[2], MAY[3].replace("3.984", "3.990")]
    output = _load(write(lines)).splitlines()
    assert output == [
        "changed 1B verano basico 2026-05 nacional: 1.004 MXN for 0–125 kWh, published → 1.004 MXN for 0–125 kWh, derived",
        "changed 1B verano excedente 2026-05 nacional: 3.984 MXN for 225–… kWh, published → 3.990 MXN for 225–… kWh, published",
        "0 added, 2 changed, 0 removed, 1 unchanged",
    ]


def test_a_tier_that_a_month_no_longer_has_goes_and_other_months_stay(write: Callable[[list[str]], Path]) -> None:
    _load(write([*MAY, *(line.replace("2026-05", "2026-06") for line in MAY[1:])]))
    output = _load(write([MAY[0], MAY[1], MAY[3].replace("225", "125")])).splitlines()
    assert output[1:] == ["removed 1B verano intermedio 2026-05 nacional", "0 added, 1 changed, 1 removed, 1 unchanged"]
    assert Price.objects.filter(month="2026-06-01").count() == 3


def test_a_load_moves_limits_that_its_tiers_share(write: Callable[[list[str]], Path]) -> None:
    _load(write(MAY))
    moved = [MAY[0], MAY[1].replace("0,125", "0,200"), MAY[2].replace("125,225", "200,210"), MAY[3].replace("225,", "210,")]
    assert _load(write(moved)).endswith("0 added, 3 changed, 0 removed, 0 unchanged\n")
    back = [MAY[0], MAY[1].replace("0,125", "0,50"), MAY[3].replace("225,", "50,")]
    assert _load(write(back)).endswith("0 added, 2 changed, 1 removed, 0 unchanged\n")


def test_the_history_tells_what_loads_did(write: Callable[[list[str]], Path]) -> None:
    _load(write(MAY))
    _load(write([MAY[0], MAY[1], MAY[3].replace("225", "125").replace("3.984", "3.990")]))
    told = [(x.history_type, x.tier, str(x.price_mxn_per_kwh), x.history_change_reason) for x in Price.history.all()[:2]]
    assert sorted(told) == [
        ("-", "intermedio", "1.163", "load_cfe_prices prices.csv"),
        ("~", "excedente", "3.990", "load_cfe_prices prices.csv"),
    ]
    assert [x.history_type for x in Price.history.all()[2:]] == ["+", "+", "+"]


def test_one_bad_line_keeps_the_whole_file_out(write: Callable[[list[str]], Path]) -> None:
    _load(write(MAY))
    errors = StringIO()
    bad = [MAY[0], MAY[1].replace("1.004", "2.000"), MAY[2].replace("1.163", "mucho"), MAY[3].replace("2026-05", "mayo")]
    with pytest.raises(CommandError, match=r"2 bad lines\. Nothing was written"):
        call_command("load_cfe_prices", str(write(bad)), stderr=errors)
    assert [line.split(":")[0] for line in errors.getvalue().splitlines()] == ["line 3", "line 4"]
    assert {str(price.price_mxn_per_kwh) for price in Price.objects.all()} == {"1.004", "1.163", "3.984"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "precios.csv"
    if content:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=r"precios\.csv can't be read"):
        _load(path)


def test_a_spreadsheet_s_byte_order_mark_and_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("\r\n".join(MAY) + "\r\n", encoding="utf-8-sig", newline="")
    assert _load(path) == "3 added, 0 changed, 0 removed, 0 unchanged\n"


def test_a_load_is_a_constant_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(5):  # savepoint, read, write, history, release
        prices_load(rates=all_rates())


def test_the_fixture_for_loaddata_holds_the_same_prices_and_goes_over_those_that_are_there() -> None:
    """Load the CSV, then `manage.py dumpdata tariffs.price --natural-primary -o fixtures/cfe_prices.json.gz` makes it anew."""
    prices_load(rates=all_rates())
    Price.objects.filter(tariff="DAC").delete()
    Price.objects.filter(tariff="1C").update(price_mxn_per_kwh=9)
    call_command("loaddata", str(FIXTURE), verbosity=0)
    assert sorted(Price.objects.rates()) == sorted(all_rates())
    with gzip.open(FIXTURE) as file:
        assert len(json.load(file)) == len(all_rates())


def test_an_odd_price_is_loaded_and_pointed_out(
    write: Callable[[list[str]], Path],
) -> None:
    _load(write(MAY))
    errors = StringIO()
    june = [line.replace("2026-05", "2026-06").replace("1.004", "1.940") for line in MAY]
    call_command("load_cfe_prices", str(write(june)), stdout=StringIO(), stderr=errors)
    assert errors.getvalue() == "warning: line 2: 1.940 is +93 % from the month before (1.004)\n"
    assert Price.objects.count() == 6
