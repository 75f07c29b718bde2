import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from tariffs.models import Price
from tariffs.tests.bill_cases import PAPER, dap_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]
PLAYA = ["--billing-months", "2", "--summer-start", "4", "--dap", "2.5%"]
MAY = ["--tariff", "1b", "--from", "2026-04-18", "--to", "2026-06-20", "--kwh", "328", *PLAYA]


def _print(*arguments: str) -> str:
    output = StringIO()
    call_command("cfe_bill", *arguments, stdout=output)
    return output.getvalue()


def _json(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(_print(*arguments, "--json")))


@pytest.mark.parametrize("paper", PAPER, ids=[paper["id"] for paper in PAPER])
def test_the_command_prints_real_bills(paper: dict[str, Any]) -> None:
    period = ["--from", paper["period_start"], "--to", paper["period_end"]]
    if not paper["period_start"]:
        period = ["--price-month", paper["price_month_expected"]]
        period += ["--season", paper["season_expected"]]
    terms = ["--billing-months", "2", "--summer-start", str(paper.get("summer_start_month", 4)), "--dap", dap_of(paper)]
    bill = _json("--tariff", paper["tariff"], "--kwh", str(paper["kwh"]), *terms, *period)
    if expected := paper.get("recomputed"):
        assert [{name: line[name] for name in ("tier", "kwh", "price", "amount")} for line in bill["lines"]] == expected["lines"]
        assert {name: bill[name] for name in ("energy_subtotal", "iva", "period_total")} == {
            name: expected[name] for name in ("energy_subtotal", "iva", "period_total")
        }
        assert bill["grand_total"] == expected["period_total_plus_dap"]
    low, high = paper.get("total_window", [bill["grand_total"]] * 2)
    assert low <= bill["grand_total"] <= high
    assert bill["amount_to_pay"] == int(bill["grand_total"])


def test_a_mixed_bill_shows_the_kwh_that_its_tiers_end_in() -> None:
    mixed = ["--tariff", "1B", "--from", "2025-08-26", "--to", "2025-10-24", "--kwh", "988", *PLAYA]
    assert [line["kwh"] for line in _json(*mixed)["lines"]] == [145.833333, 116.666667, 323.5, 58.064516, 77.419355, 266.516129]
    rows = [" ".join(line.split()) for line in _print(*mixed).splitlines()]
    assert rows[3:9] == [
        "Básico (verano) 145.83 0.977 142.48",
        "Intermedio (verano) 116.67 1.131 131.95",
        "Excedente (verano) 323.50 3.889 1258.09",
        "Básico (fuera de verano) 58.06 1.099 63.81",
        "Intermedio (fuera de verano) 77.42 1.335 103.35",
        "Excedente (fuera de verano) 266.52 3.903 1040.21",
    ]


def test_the_bill_is_laid_out_as_on_paper() -> None:
    text = _print(*MAY, "--other", "673.00", "--carried", "0.10")
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert rows == [
        "Consumo: 328 kWh · verano · precios de 2026-05",
        "",
        "Concepto kWh Precio Importe",
        "Básico (verano) 250 1.004 251.00",
        "Intermedio (verano) 78 1.163 90.71",
        "Energía 341.71",
        "IVA 54.67",
        "Facturación del periodo 396.38",
        "Alumbrado público (DAP) 8.54",
        "Otros cargos 673.00",
        "Total 1077.92",
        "Centavos del recibo anterior 0.10",
        "TOTAL A PAGAR $1,078",
        "Centavos para el próximo recibo 0.02",
        "",
        "Certeza: exacto",
    ]


def test_the_bill_speaks_english_too() -> None:
    with translation.override("en"):
        assert "AMOUNT TO PAY" in _print(*MAY)


def test_a_doubtful_bill_says_why() -> None:
    mixed = _json("--tariff", "1B", "--from", "2025-08-26", "--to", "2025-10-24", "--kwh", "590", *PLAYA)
    assert mixed["certainty"] == "estimate"
    assert "cruza el cambio de temporada" in mixed["reasons"][0]
    later = _json("--tariff", "DAC", "--dac-region", "central", "--from", "2026-11-01", "--to", "2026-12-01", "--kwh", "300")
    assert (later["certainty"], later["price_month"], later["fixed_charge"]) == ("provisional", "2026-10", 145.79)
    assert "2026-10" in later["reasons"][0]


def test_lighting_and_discount_may_be_sums() -> None:
    bill = _json(*MAY[:-2], "--dap", "82.00", "--discount", "10%", "--iva", "8%")
    assert (bill["dap"], bill["discount"], bill["iva"]) == (82.0, 34.17, 27.34)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tariff", "1B", "--kwh", "9", "--price-month", "2026-05"], "seasons: give --season"),
        (["--tariff", "1B", "--kwh", "9", "--from", "2026-05-01"], "Give --from and --to"),
        (["--tariff", "1B", "--kwh", "9", "--from", "2026-05-01", "--to", "2026-05-01"], "has no day"),
        (["--tariff", "1B", "--kwh", "9", "--from", "2026-05-01", "--to", "2026-06-01", "--season", "verano"], "Give --from"),
        (["--tariff", "DAC", "--kwh", "9", "--price-month", "2026-05"], "DAC needs --dac-region"),
        (["--tariff", "1", "--kwh", "9", "--price-month", "2026-05", "--dac-region", "central"], "no other tariff"),
        ([*MAY, "--carried", "1.20"], "1.20 pesos"),
        ([*MAY, "--kwh", "9.5"], "'9.5' is not a whole number"),
        ([*MAY, "--kwh", "-3"], "'-3' is not a whole number"),
        ([*MAY, "--to", "2026-13-01"], "'2026-13-01' is not a date"),
        ([*MAY, "--dap", "lots"], "'lots' is not a share"),
        ([*MAY, "--dap", "101%"], "'101%' is not a share"),
        ([*MAY, "--iva", "0.16"], "'0.16' is not a share"),
        ([*MAY, "--other", "nan"], "'nan' is not an amount"),
        ([*MAY, "--other", "1e40"], "'1e40' is not an amount"),
        ([*MAY, "--other", "1e99999999"], "'1e99999999' is not an amount"),
        ([*MAY, "--carried", "0.005"], "'0.005' is not an amount"),
        ([*MAY, "--dap", "0.001"], "'0.001' is not a share"),
        ([*MAY, "--dap", "nan%"], "'nan%' is not a share"),
        ([*MAY, "--kwh", "9" * 32], "is not a whole number up to a million"),
        ([*MAY, "--from", "0001-01-01", "--to", "0001-01-05"], "'0001-01-01' is not a date of this century"),
        ([*MAY, "--from", "2020-04-18"], "No bill has more than 100 days"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        _print(*arguments)


def test_a_tariff_without_prices_is_refused() -> None:
    Price.objects.all().delete()
    with pytest.raises(CommandError, match="no prices of tariff 1B"):
        _print(*MAY)
