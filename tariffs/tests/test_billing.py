import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.bill import Bill, Certainty, Doubt, Levy, Terms, to_cents
from tariffs.billing import Biller, price_month
from tariffs.constants import MAX_KWH, NATIONAL, Season, Tier
from tariffs.tests.helpers import book_of

PAPER = json.loads((Path(__file__).parent / "data" / "bills.json").read_text())
PLAYA = Terms(billing_months=2, summer_start_month=4, lighting=Levy(share=Decimal("0.025")))
CANCUN = PLAYA._replace(lighting=Levy(share=Decimal("0.05")))
MONTHLY, BIMONTHLY = Terms(), Terms(billing_months=2)

tariffs = st.sampled_from([("1", "nacional"), ("1A", "nacional"), ("1B", "nacional"), ("1C", "nacional"), ("1D", "nacional")]) | (
    st.sampled_from([("1E", "nacional"), ("1F", "nacional"), ("DAC", "central"), ("DAC", "baja_california_sur")])
)
levies = st.builds(Levy, st.decimals(0, 1, places=3), st.decimals(0, 500, places=2)) | st.just(Levy())
all_terms = st.builds(
    Terms, st.sampled_from([1, 2]), st.integers(2, 5), st.sampled_from([Decimal("0.16"), Decimal("0.08")]), levies, levies
)
ends = st.dates(date(2023, 6, 1), date(2028, 6, 1))
uses = st.integers(0, 12_000)


def _biller(tariff: tuple[str, str], terms: Terms, end: date) -> Biller:
    start = date.fromordinal(end.toordinal() - 30 * terms.billing_months)
    return Biller.of_period(start, end, terms=terms, prices=book_of(*tariff))


def _bill(kwh: int, tariff: tuple[str, str], terms: Terms, end: date) -> Bill:
    return _biller(tariff, terms, end).bill(kwh)


def _paper_biller(paper: dict[str, Any]) -> Biller:
    prices, terms = book_of(paper["tariff"]), CANCUN if "Cancun" in paper["locality"] else PLAYA
    if paper["period_start"]:
        dates = date.fromisoformat(paper["period_start"]), date.fromisoformat(paper["period_end"])
        return Biller.of_period(*dates, terms=terms, prices=prices)
    month = date.fromisoformat(f"{paper['price_month_expected']}-01")
    return Biller.of_month(month, Season(paper["season_expected"]), terms=terms, prices=prices)


@pytest.mark.parametrize("paper", PAPER, ids=[paper["id"] for paper in PAPER])
def test_a_real_bill_is_reproduced_to_the_cent(paper: dict[str, Any]) -> None:
    bill = _paper_biller(paper).bill(paper["kwh"])
    expected = paper["recomputed"]
    lines = [{"tier": x.tier, "kwh": x.kwh, "price": float(x.price), "amount": float(x.amount)} for x in bill.lines]
    assert lines == expected["lines"]
    totals = {"energy_subtotal": bill.energy_subtotal, "iva": bill.iva, "period_total": bill.period_total}
    totals["period_total_plus_dap"] = bill.grand_total
    assert totals == {name: Decimal(str(expected[name])) for name in totals}
    assert (bill.season, f"{bill.price_month:%Y-%m}") == (paper["season_expected"], paper["price_month_expected"])
    assert Doubt.UNKNOWN_MONTH not in bill.doubts


def test_a_whole_paper_bill_is_reproduced_with_its_lighting_deposit_and_whole_pesos() -> None:
    (paper,) = (paper for paper in PAPER if paper["id"] == "B01")
    printed = paper["published"]
    bill = _paper_biller(paper).bill(paper["kwh"], other=Decimal(str(printed["deposit"])))
    assert [float(x) for x in (bill.period_total, bill.dap, bill.grand_total)] == [
        printed["period_total"],
        printed["dap"],
        printed["grand_total"],
    ]
    assert (bill.amount_to_pay, bill.carried_out) == (printed["total_a_pagar_printed"], Decimal("0.92"))


@pytest.mark.parametrize(("first", "second", "cents"), [("H01-6", "H01-5", "0.06"), ("H01-3", "H01-2", "0.60")])
def test_two_bills_in_a_row_are_reproduced_to_the_peso_by_the_cents_that_go_from_one_to_the_other(
    first: str, second: str, cents: str
) -> None:
    papers = {paper["id"]: paper for paper in PAPER}
    carried = Decimal(cents)  # of the bill before the first, which nobody has
    for paper in (papers[first], papers[second]):
        bill = _paper_biller(paper).bill(paper["kwh"], carried=carried)
        assert bill.amount_to_pay == paper["published"]["history_amount_incl_dap_whole_pesos"]
        carried = bill.carried_out


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
            for line in Biller.of_month(date(2026, 7, 1), Season.SUMMER, terms=Terms(billing_months=months), prices=prices)
            .bill(3000)
            .lines
        ]
        for months in (1, 2)
    }
    assert kwh_of == {1: [175, 225, 200, 2400], 2: [350, 450, 400, 1800]}


def test_the_last_kwh_of_a_tier_belongs_to_it() -> None:
    def tiers(kwh: int) -> list[Tier]:
        bill = Biller.of_month(date(2026, 1, 1), Season.ALL_YEAR, terms=MONTHLY, prices=book_of("1")).bill(kwh)
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
    bill = Biller.of_month(date(2026, 7, 1), Season.ALL_YEAR, terms=terms, prices=book_of("DAC", "central")).bill(0)
    assert bill.fixed_charge == Decimal(fixed)
    assert [(line.tier, line.amount) for line in bill.lines] == [(Tier.ENERGY, Decimal(energy))]
    assert bill.energy_subtotal == Decimal(fixed) + Decimal(energy)
    assert bill.iva == to_cents(bill.energy_subtotal * Decimal("0.16"))


def test_dac_of_a_month_to_come_is_billed_at_the_last_known_price_and_says_so() -> None:
    bill = _bill(400, ("DAC", "sur_y_peninsular"), MONTHLY, date(2026, 12, 1))
    assert (bill.price_month, bill.doubts, bill.certainty) == (date(2026, 8, 1), (Doubt.UNKNOWN_MONTH,), Certainty.PROVISIONAL)


def test_a_bill_on_published_prices_is_exact_and_on_a_derived_one_provisional() -> None:
    prices = book_of("1B")
    assert Biller.of_month(date(2025, 5, 1), Season.SUMMER, terms=MONTHLY, prices=prices).bill(99).certainty == Certainty.EXACT
    derived = Biller.of_month(date(2025, 7, 1), Season.SUMMER, terms=MONTHLY, prices=prices).bill(99)
    assert (derived.certainty, derived.doubts) == (Certainty.PROVISIONAL, (Doubt.DERIVED_PRICE,))


def test_a_mixed_bill_is_an_estimate() -> None:
    bill = Biller.of_period(date(2026, 4, 1), date(2026, 6, 1), terms=BIMONTHLY, prices=book_of("1B")).bill(300)
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
        Biller.of_period(date(2026, 6, 1), end, terms=MONTHLY, prices=book_of("1")).bill(kwh)


def test_lighting_and_discount_come_after_iva_and_cents_go_on_to_the_next_bill() -> None:
    terms = MONTHLY._replace(lighting=Levy(sum_mxn=Decimal("82.00")), discount=Levy(share=Decimal("0.10")))
    bill = Biller.of_month(date(2026, 1, 1), Season.ALL_YEAR, terms=terms, prices=book_of("1")).bill(100, carried=Decimal("0.50"))
    assert (bill.dap, bill.discount) == (Decimal("82.00"), to_cents(bill.energy_subtotal / 10))
    assert bill.grand_total == bill.period_total + bill.dap - bill.discount
    assert bill.amount_to_pay + bill.carried_out == bill.grand_total + Decimal("0.50")


def test_a_discount_never_makes_a_bill_negative() -> None:
    terms = MONTHLY._replace(discount=Levy(sum_mxn=Decimal(500)))
    bill = Biller.of_month(date(2026, 1, 1), Season.ALL_YEAR, terms=terms, prices=book_of("1")).bill(60)
    assert bill.grand_total == bill.amount_to_pay == 0
    assert bill.discount == bill.period_total


@pytest.mark.parametrize("carried", ["1", "-0.01"])
def test_carried_cents_are_less_than_a_peso(carried: str) -> None:
    biller = Biller.of_month(date(2026, 1, 1), Season.ALL_YEAR, terms=MONTHLY, prices=book_of("1"))
    with pytest.raises(ValueError, match=f"{carried} pesos"):
        biller.bill(60, carried=Decimal(carried))


def test_a_mixed_bill_is_one_month_of_each_season_at_the_prices_of_its_own_month() -> None:
    # 59 days, 36 of them before October: 1B in Playa del Carmen, where summer is April to September
    bill = Biller.of_period(date(2025, 8, 26), date(2025, 10, 24), terms=PLAYA, prices=book_of("1B")).bill(590)
    found = [(line.season, line.tier, line.kwh, f"{line.price_month:%Y-%m}") for line in bill.lines]
    assert found == [
        (Season.SUMMER, Tier.BASIC, 125, "2025-09"),
        (Season.SUMMER, Tier.MIDDLE, 100, "2025-09"),
        (Season.SUMMER, Tier.EXCESS, 135, "2025-09"),
        (Season.NOT_SUMMER, Tier.BASIC, 75, "2025-10"),
        (Season.NOT_SUMMER, Tier.MIDDLE, 100, "2025-10"),
        (Season.NOT_SUMMER, Tier.EXCESS, 55, "2025-10"),
    ]
    assert (bill.season, f"{bill.price_month:%Y-%m}", bill.certainty) == (Season.SUMMER, "2025-09", Certainty.ESTIMATE)


@pytest.mark.parametrize(
    ("kwh", "tier", "left", "after"),
    [
        (0, Tier.BASIC, 75, Tier.MIDDLE),
        (74, Tier.BASIC, 1, Tier.MIDDLE),
        (75, Tier.MIDDLE, 65, Tier.EXCESS),
        (140, Tier.EXCESS, None, None),
        (999, Tier.EXCESS, None, None),
    ],
)
def test_a_use_stands_in_the_tier_of_its_next_kwh(kwh: int, tier: Tier, left: int | None, after: Tier | None) -> None:
    biller = Biller.of_month(date(2026, 1, 1), Season.ALL_YEAR, terms=MONTHLY, prices=book_of("1"))
    standing = biller.standing(kwh)
    assert (standing.tier, standing.kwh_left, standing.next_tier) == (tier, left, after)
    assert [line.tier for line in biller.bill(kwh + 100).lines][-1] != tier or left is None


def test_a_bill_of_a_running_period_has_no_minimum_yet() -> None:
    biller = Biller.of_month(date(2026, 1, 1), Season.ALL_YEAR, terms=MONTHLY, prices=book_of("1"))
    assert biller.bill(0, is_whole=False).grand_total == 0
    assert [line.kwh for line in biller.bill(9, is_whole=False).lines] == [9]
    assert biller.bill(60, is_whole=False) == biller.bill(60)


def test_the_next_kwh_is_free_below_the_minimum_and_costs_its_tier_s_price_with_tax_above_it() -> None:
    terms = PLAYA._replace(billing_months=1)
    biller = Biller.of_month(date(2026, 1, 1), Season.NOT_SUMMER, terms=terms, prices=book_of("1B"))
    assert biller.next_kwh_mxn(0) == biller.next_kwh_mxn(24) == 0
    assert biller.standing(30).price_mxn_per_kwh == Decimal("1.110") * Decimal("1.185")
    assert biller.next_kwh_mxn(30) == Decimal("1.32")


@given(kwh=uses, tariff=tariffs, terms=all_terms, end=ends, length=st.integers(27, 66))
def test_lines_add_up_and_conserve_the_energy(kwh: int, tariff: tuple[str, str], terms: Terms, end: date, length: int) -> None:
    start = date.fromordinal(end.toordinal() - length)
    bill = Biller.of_period(start, end, terms=terms, prices=book_of(*tariff)).bill(kwh)
    assert sum(line.kwh for line in bill.lines) == max(kwh, 25 * terms.billing_months)
    assert all(line.amount == to_cents(line.kwh * line.price) for line in bill.lines)
    assert sum(line.amount for line in bill.lines) + bill.fixed_charge == bill.energy_subtotal
    assert bill.energy_subtotal + bill.iva == bill.period_total == to_cents(bill.period_total)
    assert bill.period_total + bill.dap - bill.discount == bill.grand_total >= 0
    assert 0 <= bill.carried_out < 1
    assert bill.season in {line.season for line in bill.lines}
    assert (len({line.season for line in bill.lines}) == 1) or Doubt.MIXED_SEASON in bill.doubts


@given(kwh=uses, more=st.integers(0, 50), tariff=tariffs, terms=all_terms, end=ends)
def test_the_total_never_falls_when_more_is_used(kwh: int, more: int, tariff: tuple[str, str], terms: Terms, end: date) -> None:
    less, greater = _bill(kwh, tariff, terms, end), _bill(kwh + more, tariff, terms, end)
    assert less.period_total <= greater.period_total
    assert less.grand_total <= greater.grand_total


@given(kwh=uses, tariff=tariffs, terms=all_terms, end=ends)
def test_the_price_of_the_next_kwh_is_the_difference_of_two_bills(
    kwh: int, tariff: tuple[str, str], terms: Terms, end: date
) -> None:
    biller = _biller(tariff, terms, end)
    assert biller.next_kwh_mxn(kwh) == biller.bill(kwh + 1).grand_total - biller.bill(kwh).grand_total
    bill = biller.bill(kwh)
    if kwh >= 25 * terms.billing_months and Doubt.MIXED_SEASON not in bill.doubts and bill.grand_total > 0:
        # Lines, IVA, lighting and discount are each rounded twice in the difference: half a cent, eight times.
        assert abs(biller.next_kwh_mxn(kwh) - biller.standing(kwh).price_mxn_per_kwh) <= Decimal("0.04")


@given(amount=st.decimals(0, 40_000, places=2), tariff=tariffs, terms=all_terms, end=ends)
def test_what_a_sum_buys_costs_no_more_and_one_kwh_more_does(
    amount: Decimal, tariff: tuple[str, str], terms: Terms, end: date
) -> None:
    biller = _biller(tariff, terms, end)
    kwh = biller.kwh_within(amount)
    assert biller.bill(kwh).grand_total <= amount or kwh == 0
    assert biller.bill(kwh + 1).grand_total > amount or kwh == 0


def test_of_what_is_free_a_sum_buys_no_more_than_any_home_uses() -> None:
    free = Terms(iva_rate=Decimal(0), discount=Levy(share=Decimal(1)))
    assert _biller(("1", NATIONAL), free, date(2026, 6, 20)).kwh_within(Decimal(0)) == MAX_KWH
