import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.billing import Bill, Certainty, Doubt, Terms, bill_month, bill_period, price_month, to_cents
from tariffs.constants import Season, Tier
from tariffs.tests.helpers import book_of

PAPER = json.loads((Path(__file__).parent / "data" / "bills.json").read_text())
PLAYA = Terms(billing_months=2, summer_start_month=4)
MONTHLY, BIMONTHLY = Terms(), Terms(billing_months=2)

tariffs = st.sampled_from([("1", "nacional"), ("1A", "nacional"), ("1B", "nacional"), ("1C", "nacional"), ("1D", "nacional")]) | (
    st.sampled_from([("1E", "nacional"), ("1F", "nacional"), ("DAC", "central"), ("DAC", "baja_california_sur")])
)
all_terms = st.builds(Terms, st.sampled_from([1, 2]), st.integers(2, 5), st.sampled_from([Decimal("0.16"), Decimal("0.08")]))
ends = st.dates(date(2023, 6, 1), date(2028, 6, 1))
uses = st.integers(0, 12_000)


def _bill(kwh: int, tariff: tuple[str, str], terms: Terms, end: date) -> Bill:
    start = date.fromordinal(end.toordinal() - 30 * terms.billing_months)
    return bill_period(start, end, kwh, terms=terms, prices=book_of(*tariff))


def _paper_bill(paper: dict[str, Any]) -> Bill:
    prices = book_of(paper["tariff"])
    if paper["period_start"]:
        dates = date.fromisoformat(paper["period_start"]), date.fromisoformat(paper["period_end"])
        return bill_period(*dates, paper["kwh"], terms=PLAYA, prices=prices)
    month = date.fromisoformat(f"{paper['price_month_expected']}-01")
    return bill_month(month, Season(paper["season_expected"]), paper["kwh"], terms=PLAYA, prices=prices)


@pytest.mark.parametrize("paper", PAPER, ids=[paper["id"] for paper in PAPER])
def test_a_real_bill_is_reproduced_to_the_cent(paper: dict[str, Any]) -> None:
    bill = _paper_bill(paper)
    expected = paper["recomputed"]
    lines = [{"tier": x.tier, "kwh": x.kwh, "price": float(x.price), "amount": float(x.amount)} for x in bill.lines]
    assert lines == expected["lines"]
    totals = {"energy_subtotal": bill.energy_subtotal, "iva": bill.iva, "period_total": bill.period_total}
    assert totals == {name: Decimal(str(expected[name])) for name in totals}
    assert (bill.season, f"{bill.price_month:%Y-%m}") == (paper["season_expected"], paper["price_month_expected"])
    assert Doubt.UNKNOWN_MONTH not in bill.doubts


@pytest.mark.parametrize("paper", PAPER, ids=[paper["id"] for paper in PAPER])
def test_a_real_bill_agrees_with_what_was_printed(paper: dict[str, Any]) -> None:
    bill, printed = _paper_bill(paper), paper["published"]
    if "period_total" in printed:
        assert bill.period_total == Decimal(str(printed["period_total"]))
    else:  # printed with street lighting, 2.5 % in Playa del Carmen, in whole pesos: cut, with up to one peso of cents carried in
        with_lighting = bill.period_total + to_cents(bill.energy_subtotal * Decimal("0.025"))
        assert 0 <= printed["history_amount_incl_dap_whole_pesos"] + 1 - with_lighting < 2


@pytest.mark.parametrize(
    ("end", "months", "expected"),
    [
        ("2026-06-20", 2, "2026-05-01"),
        ("2026-03-31", 2, "2026-03-01"),
        ("2026-03-30", 2, "2026-02-01"),
        ("2026-12-01", 1, "2026-11-01"),
        ("2026-12-16", 1, "2026-12-01"),
        ("2026-12-15", 1, "2026-11-01"),
        ("2026-01-10", 1, "2025-12-01"),
    ],
)
def test_the_price_month_lies_a_fixed_number_of_days_before_the_end(end: str, months: int, expected: str) -> None:
    assert price_month(date.fromisoformat(end), months) == date.fromisoformat(expected)


def test_a_bimonthly_bill_doubles_every_limit_whatever_its_days() -> None:
    prices = book_of("1D")
    kwh_of = {
        months: [
            line.kwh
            for line in bill_month(date(2026, 7, 1), Season.SUMMER, 3000, terms=Terms(billing_months=months), prices=prices).lines
        ]
        for months in (1, 2)
    }
    assert kwh_of == {1: [175, 225, 200, 2400], 2: [350, 450, 400, 1800]}


def test_the_last_kwh_of_a_tier_belongs_to_it() -> None:
    def tiers(kwh: int) -> list[Tier]:
        bill = bill_month(date(2026, 1, 1), Season.ALL_YEAR, kwh, terms=MONTHLY, prices=book_of("1"))
        return [line.tier for line in bill.lines]

    assert tiers(75) == [Tier.BASIC]
    assert tiers(76) == tiers(140) == [Tier.BASIC, Tier.MIDDLE]
    assert tiers(141) == [Tier.BASIC, Tier.MIDDLE, Tier.EXCESS]


@pytest.mark.parametrize(("terms", "minimum"), [(MONTHLY, 25), (BIMONTHLY, 50)])
def test_the_minimum_is_25_kwh_for_each_month(terms: Terms, minimum: int) -> None:
    bills = [_bill(kwh, ("1F", "nacional"), terms, date(2026, 7, 10)) for kwh in (0, 3, minimum, minimum + 1)]
    assert [bill.lines[0].kwh for bill in bills] == [minimum, minimum, minimum, minimum + 1]
    assert [bill.kwh for bill in bills] == [0, 3, minimum, minimum + 1]


@pytest.mark.parametrize(("terms", "fixed", "energy"), [(MONTHLY, "144.95", "167.83"), (BIMONTHLY, "289.90", "335.65")])
def test_dac_pays_a_fixed_charge_and_at_least_25_kwh_for_each_month(terms: Terms, fixed: str, energy: str) -> None:
    bill = bill_month(date(2026, 7, 1), Season.ALL_YEAR, 0, terms=terms, prices=book_of("DAC", "central"))
    assert bill.fixed_charge == Decimal(fixed)
    assert [(line.tier, line.amount) for line in bill.lines] == [(Tier.ENERGY, Decimal(energy))]
    assert bill.energy_subtotal == Decimal(fixed) + Decimal(energy)
    assert bill.iva == to_cents(bill.energy_subtotal * Decimal("0.16"))


def test_dac_of_a_month_to_come_is_billed_at_the_last_known_price_and_says_so() -> None:
    bill = _bill(400, ("DAC", "sur_y_peninsular"), MONTHLY, date(2026, 12, 1))
    assert (bill.price_month, bill.doubts, bill.certainty) == (date(2026, 8, 1), (Doubt.UNKNOWN_MONTH,), Certainty.PROVISIONAL)


def test_a_bill_on_published_prices_is_exact_and_on_a_derived_one_provisional() -> None:
    prices = book_of("1B")
    assert bill_month(date(2025, 5, 1), Season.SUMMER, 99, terms=MONTHLY, prices=prices).certainty == Certainty.EXACT
    derived = bill_month(date(2025, 7, 1), Season.SUMMER, 99, terms=MONTHLY, prices=prices)
    assert (derived.certainty, derived.doubts) == (Certainty.PROVISIONAL, (Doubt.DERIVED_PRICE,))


def test_a_mixed_bill_is_an_estimate() -> None:
    bill = bill_period(date(2026, 4, 1), date(2026, 6, 1), 300, terms=BIMONTHLY, prices=book_of("1B"))
    assert (bill.certainty, bill.season) == (Certainty.ESTIMATE, Season.SUMMER)


def test_the_border_tax_is_a_term_of_the_contract() -> None:
    bill = _bill(140, ("1", "nacional"), Terms(iva_rate=Decimal("0.08")), date(2026, 7, 10))
    assert bill.iva == to_cents(bill.energy_subtotal * Decimal("0.08"))


def test_half_a_cent_is_rounded_up() -> None:
    assert (to_cents(Decimal("1.005")), to_cents(Decimal("2.675")), to_cents(Decimal("2.6749"))) == (
        Decimal("1.01"),
        Decimal("2.68"),
        Decimal("2.67"),
    )


@pytest.mark.parametrize(("end", "kwh", "message"), [(date(2026, 6, 1), 9, "no day"), (date(2026, 7, 1), -1, "-1 kWh")])
def test_a_bill_of_nothing_or_of_less_is_refused(end: date, kwh: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bill_period(date(2026, 6, 1), end, kwh, terms=MONTHLY, prices=book_of("1"))


@given(kwh=uses, tariff=tariffs, terms=all_terms, end=ends)
def test_lines_add_up_and_conserve_the_energy(kwh: int, tariff: tuple[str, str], terms: Terms, end: date) -> None:
    bill = _bill(kwh, tariff, terms, end)
    assert sum(line.kwh for line in bill.lines) == max(kwh, 25 * terms.billing_months)
    assert all(line.amount == to_cents(line.kwh * line.price) for line in bill.lines)
    assert sum(line.amount for line in bill.lines) + bill.fixed_charge == bill.energy_subtotal
    assert bill.energy_subtotal + bill.iva == bill.period_total == to_cents(bill.period_total)
    assert {line.season for line in bill.lines} == {bill.season}


@given(kwh=uses, more=st.integers(0, 50), tariff=tariffs, terms=all_terms, end=ends)
def test_the_total_never_falls_when_more_is_used(kwh: int, more: int, tariff: tuple[str, str], terms: Terms, end: date) -> None:
    assert _bill(kwh, tariff, terms, end).period_total <= _bill(kwh + more, tariff, terms, end).period_total
