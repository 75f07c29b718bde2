from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.bill import Bill, Certainty, Doubt, Levy, Terms, to_cents
from tariffs.cfe.billing import Biller
from tariffs.cfe.seasons import Section, price_month
from tariffs.cfe.tariffs import MAX_KWH, NATIONAL, Season, Tier
from tariffs.tests.bill_cases import PAPER, PLAYA, all_terms, dap_of, ends, tariffs
from tariffs.tests.helpers import book_of

MONTHLY, BIMONTHLY = Terms(), Terms(billing_months=2)

uses = st.integers(0, 12_000)


def _biller(tariff: tuple[str, str], terms: Terms, end: date) -> Biller:
    start = date.fromordinal(end.toordinal() - 30 * terms.billing_months)
    return Biller.of_period(start, end, terms=terms, prices=book_of(*tariff))


def _bill(kwh: int, tariff: tuple[str, str], terms: Terms, end: date) -> Bill:
    return _biller(tariff, terms, end).bill(kwh)


def _paper_biller(paper: dict[str, Any]) -> Biller:
    prices, share = book_of(paper["tariff"]), Decimal(dap_of(paper).removesuffix("%")) / 100
    terms = Terms(billing_months=2, summer_start_month=paper.get("summer_start_month", 4), lighting=Levy(share=share))
    if paper["period_start"]:
        dates = date.fromisoformat(paper["period_start"]), date.fromisoformat(paper["period_end"])
        return Biller.of_period(*dates, terms=terms, prices=prices)
    month = date.fromisoformat(f"{paper['price_month_expected']}-01")
    return Biller.of_month(month, Season(paper["season_expected"]), terms=terms, prices=prices)


def _those_with(name: str) -> pytest.MarkDecorator:
    papers = [paper for paper in PAPER if name in paper]
    return pytest.mark.parametrize("paper", papers, ids=[paper["id"] for paper in papers])


@_those_with("recomputed")
def test_a_real_bill_is_reproduced_to_the_cent(paper: dict[str, Any]) -> None:
    bill = _paper_biller(paper).bill(paper["kwh"])
    expected = paper["recomputed"]
    lines = [{"tier": x.tier, "kwh": x.kwh, "price": float(x.price), "amount": float(x.amount)} for x in bill.lines]
    assert lines == expected["lines"]
    totals = {"energy_subtotal": bill.energy_subtotal, "iva": bill.iva, "period_total": bill.period_total}
    totals["period_total_plus_dap"] = bill.grand_total
    assert totals == {name: Decimal(str(expected[name])) for name in totals}


@pytest.mark.parametrize("paper", PAPER, ids=[paper["id"] for paper in PAPER])
def test_what_is_printed_on_a_real_bill_is_reproduced(paper: dict[str, Any]) -> None:
    bill, printed = _paper_biller(paper).bill(paper["kwh"]), paper["published"]
    for name in ("energy_subtotal", "iva", "period_total", "dap"):
        assert float(getattr(bill, name)) == printed.get(name, float(getattr(bill, name)))
    assert float(bill.grand_total) == printed.get("period_total_plus_dap", float(bill.grand_total))
    if "history_amount_incl_dap_whole_pesos" in printed:  # whole pesos, with up to 99 cents of the bill before
        assert 0 <= printed["history_amount_incl_dap_whole_pesos"] - int(bill.grand_total) <= 1
    assert bill.season == paper.get("season_expected", bill.season)
    assert f"{bill.price_month:%Y-%m}" == paper.get("price_month_expected", f"{bill.price_month:%Y-%m}")
    assert Doubt.UNKNOWN_MONTH not in bill.doubts


def test_a_bill_of_tariff_1_is_reproduced_with_its_carried_cents() -> None:
    (paper,) = (paper for paper in PAPER if paper["id"] == "N4-0")
    bill = _paper_biller(paper).bill(paper["kwh"], carried=Decimal("0.18"))
    assert float(bill.grand_total + bill.carried_in) == paper["published"]["grand_total"]


@_those_with("total_window")
def test_a_mixed_bill_falls_into_the_window_that_the_carried_cents_leave_it(paper: dict[str, Any]) -> None:
    bill = _paper_biller(paper).bill(paper["kwh"])
    low, high = paper["total_window"]
    assert low <= bill.grand_total <= high
    assert (bill.certainty, bill.doubts[0]) == (Certainty.ESTIMATE, Doubt.MIXED_SEASON)


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
    assert (bill.price_month, bill.certainty) == (date(2026, 10, 1), Certainty.PROVISIONAL)
    assert bill.doubts[:2] == (Doubt.UNKNOWN_MONTH, Doubt.DERIVED_PRICE)  # of October only Central's price was seen


def test_a_bill_on_published_prices_is_exact_and_on_a_derived_one_provisional() -> None:
    prices = book_of("1B")
    assert Biller.of_month(date(2025, 5, 1), Season.SUMMER, terms=MONTHLY, prices=prices).bill(99).certainty == Certainty.EXACT
    derived = Biller.of_month(date(2025, 7, 1), Season.SUMMER, terms=MONTHLY, prices=prices).bill(99)
    assert (derived.certainty, derived.doubts) == (Certainty.PROVISIONAL, (Doubt.DERIVED_PRICE,))


def test_a_mixed_bill_is_an_estimate() -> None:
    bill = Biller.of_period(date(2026, 4, 1), date(2026, 6, 1), terms=BIMONTHLY, prices=book_of("1B")).bill(300)
    assert (bill.certainty, bill.season) == (Certainty.ESTIMATE, Season.SUMMER)


def test_a_bill_is_exact_only_where_real_bills_confirm_its_rules() -> None:
    def doubts(start: date, terms: Terms) -> tuple[Doubt, ...]:
        return Biller.of_period(start, date(2026, 6, 20), terms=terms, prices=book_of("1B")).bill(99).doubts

    spring, may = date(2026, 4, 18), date(2026, 5, 20)
    assert doubts(spring, PLAYA) == ()
    assert doubts(may, PLAYA._replace(billing_months=1)) == (Doubt.MONTHLY_PRICE_MONTH,)
    border = Biller.of_period(
        spring, date(2026, 6, 20), terms=PLAYA._replace(iva_rate=Decimal("0.08")), prices=book_of("1B")
    ).bill(99)
    assert (border.doubts, border.certainty) == ((Doubt.UNUSUAL_IVA,), Certainty.PROVISIONAL)
    unread = Biller.of_period(spring, date(2026, 6, 20), terms=PLAYA._replace(is_reading_known=False), prices=book_of("1B")).bill(
        99
    )
    assert (unread.doubts, unread.certainty) == ((Doubt.UNKNOWN_READING,), Certainty.ESTIMATE)
    assert doubts(may, PLAYA._replace(billing_months=1, is_reading_known=False)) == (Doubt.MONTHLY_PRICE_MONTH,)


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


def _mixed() -> Biller:
    # 59 days, 35 of them before October (30 days a month) and 24 from it on (31): summer is April to September
    return Biller.of_period(date(2025, 8, 26), date(2025, 10, 24), terms=PLAYA, prices=book_of("1B"))


def test_each_season_of_a_mixed_bill_has_its_days_share_of_its_own_month_s_tiers() -> None:
    bill = _mixed().bill(988)
    found = [(x.season, x.tier, round(x.kwh, 3), f"{x.price_month:%Y-%m}", x.amount) for x in bill.lines]
    assert [(*each[:2], float(each[2]), each[3], str(each[4])) for each in found] == [
        (Season.SUMMER, Tier.BASIC, 145.833, "2025-09", "142.48"),
        (Season.SUMMER, Tier.MIDDLE, 116.667, "2025-09", "131.95"),
        (Season.SUMMER, Tier.EXCESS, 323.5, "2025-09", "1258.09"),
        (Season.NOT_SUMMER, Tier.BASIC, 58.065, "2025-10", "63.81"),
        (Season.NOT_SUMMER, Tier.MIDDLE, 77.419, "2025-10", "103.35"),
        (Season.NOT_SUMMER, Tier.EXCESS, 266.516, "2025-10", "1040.21"),
    ]
    assert (bill.season, f"{bill.price_month:%Y-%m}", bill.certainty) == (Season.SUMMER, "2025-09", Certainty.ESTIMATE)


def test_a_mixed_bill_has_a_minimum_of_each_season() -> None:
    biller, bill = _mixed(), _mixed().bill(0)
    summer, rest = bill.lines
    assert (round(summer.kwh, 4), round(rest.kwh, 4)) == (Decimal("29.1667"), Decimal("19.3548"))
    # 25 kWh a month: 35 days of September's 30 at 0.977 pesos, 24 of October's 31 at 1.099
    assert [line.amount for line in bill.lines] == [Decimal("28.50"), Decimal("21.27")]
    only_summer_reached = biller.bill(45)  # 27 and 18 kWh: less than both minimums; 50: 30 and 20, more than both
    assert only_summer_reached.grand_total == bill.grand_total < biller.bill(50).grand_total
    assert [line.kwh for line in biller.bill(50).lines] == [30, 20]


def test_half_a_cent_of_a_mixed_bill_is_not_lost_to_a_rounded_limit() -> None:
    # 75 kWh a month times 35/31 months at 1.054 pesos are 89.25 pesos exactly, though the kWh have no end
    rate = book_of("1B").tiers(Season.NOT_SUMMER, date(2026, 3, 1))[0]._replace(price_mxn_per_kwh=Decimal("1.054"))
    half = rate._replace(price_mxn_per_kwh=Decimal("0.062") * Decimal("0.5"), upper_kwh_month=1)  # 35 × 0.001 pesos
    assert [next(Section(35, 31, rate.month, [each]).lines(999)).amount for each in (rate, half)] == [
        Decimal("89.25"),
        Decimal("0.04"),
    ]


def test_dac_pays_a_month_of_each_season_s_fixed_charge_in_a_mixed_bill() -> None:
    prices = book_of("DAC", "baja_california_sur")
    bill = Biller.of_period(date(2026, 3, 25), date(2026, 5, 25), terms=BIMONTHLY, prices=prices).bill(2000)
    charges = {line.season: prices.tiers(line.season, line.price_month)[0].fixed_charge_mxn_month for line in bill.lines}
    assert len(charges) == 2
    assert bill.fixed_charge == sum(charge for charge in charges.values() if charge)


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
    position = biller.position(kwh)
    assert (position.tier, position.kwh_left, position.next_tier) == (tier, left, after)
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
    assert biller.position(30).price_mxn_per_kwh == Decimal("1.110") * Decimal("1.185")
    assert biller.next_kwh_mxn(30) == Decimal("1.32")


@given(kwh=uses, tariff=tariffs, terms=all_terms, end=ends, length=st.integers(27, 66))
def test_lines_add_up_and_conserve_the_energy(kwh: int, tariff: tuple[str, str], terms: Terms, end: date, length: int) -> None:
    start = date.fromordinal(end.toordinal() - length)
    bill = Biller.of_period(start, end, terms=terms, prices=book_of(*tariff)).bill(kwh)
    used = round(sum((Decimal(line.kwh) for line in bill.lines), Decimal(0)), 15)
    assert used == max(kwh, 25 * terms.billing_months) or (Doubt.MIXED_SEASON in bill.doubts and used >= kwh)
    assert used == kwh or kwh <= 3 * 25 * terms.billing_months
    assert sum(line.amount for line in bill.lines) + bill.fixed_charge == bill.energy_subtotal
    assert all(line.amount == to_cents(line.kwh * line.price) for line in bill.lines if isinstance(line.kwh, int))
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
        assert abs(biller.next_kwh_mxn(kwh) - biller.position(kwh).price_mxn_per_kwh) <= Decimal("0.04")


@st.composite
def mixed_billers(draw: st.DrawFn) -> Biller:
    """A bimonthly bill with 16 to 45 days in its new season, of 57 to 66 days."""
    first, in_new, length = draw(st.integers(2, 5)), draw(st.integers(16, 45)), draw(st.integers(57, 66))
    edge = date(draw(st.integers(2024, 2026)), draw(st.sampled_from([first, first + 6])), 1)
    end = edge + timedelta(days=in_new - 1)
    terms = BIMONTHLY._replace(summer_start_month=first)
    tariff = draw(st.sampled_from(["1A", "1B", "1C", "1D", "1E", "1F"]))
    return Biller.of_period(end - timedelta(days=length), end, terms=terms, prices=book_of(tariff))


@given(biller=mixed_billers(), kwh=uses)
def test_what_is_left_in_a_mixed_bill_s_tier_is_used_up_before_any_line_is_new(biller: Biller, kwh: int) -> None:
    def steps(kwh: int) -> set[tuple[Season, Tier]]:
        return {(line.season, line.tier) for line in biller.bill(kwh, is_whole=False).lines}

    # The next kWh of a season, which may begin a tier, is one of the next five of both.
    position, reached = biller.position(kwh), steps(kwh + 5)
    if position.kwh_left is None:
        assert steps(kwh + 9_999) == reached
        assert position.next_tier is None
        return
    assert position.kwh_left > 0
    assert steps(kwh + position.kwh_left) <= reached
    begun = steps(kwh + position.kwh_left + 1) - steps(kwh + position.kwh_left)
    assert [tier for _season, tier in begun] == [position.next_tier]


@given(biller=mixed_billers(), kwh=st.integers(150, 12_000))
def test_the_next_kwh_of_a_mixed_bill_costs_on_average_its_position_says(biller: Biller, kwh: int) -> None:
    position = biller.position(kwh)
    count = min(position.kwh_left or 500, 500)
    rise = biller.bill(kwh + count, is_whole=False).grand_total - biller.bill(kwh, is_whole=False).grand_total
    # Up to one kWh of one season instead of the other, twice, and the kWh in which a tier before ended.
    assert abs(rise - count * position.price_mxn_per_kwh) <= 10


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
