from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.bill import Terms
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle
from tariffs.paper.reconciliation import KwhParts, MeasuredBy, MxnParts, Reconciliation, reconcile
from tariffs.paper.suggestions import suggestions
from tariffs.tests.bill_cases import PLAYA, all_terms, ends, tariffs
from tariffs.tests.helpers import book_of
from telemetry.history.completeness import CircuitUse

PERIOD = Cycle(date(2026, 4, 18), date(2026, 6, 20))
PAPER = Biller.of_period(*PERIOD, terms=PLAYA, prices=book_of("1B"))
BOOKS = {name: book_of(name) for name in ("1", "1A", "1B", "1C", "1D", "1E", "1F")} | {"DAC": book_of("DAC", "sur_y_peninsular")}

circuits = st.lists(st.builds(CircuitUse, st.floats(-1, 3_000_000), st.sampled_from([0.0, 1.0]) | st.floats(0, 1)), max_size=4)
pesos = st.decimals(0, 100_000, places=2)


def _reconcile(
    *circuits: tuple[float, float], kwh: int = 328, paid: str = "404.00", by: MeasuredBy = MeasuredBy.CIRCUITS
) -> Reconciliation:
    uses = [CircuitUse(*circuit) for circuit in circuits]
    return reconcile(PAPER, billed_kwh=kwh, paid_mxn=Decimal(paid), circuits=uses, measured_by=by)


def _kwh(found: Reconciliation) -> tuple[float, ...]:
    return tuple(float(part) for part in found.kwh_parts)


@given(tariffs, all_terms, ends, st.integers(0, 5_000), pesos, circuits, st.sampled_from(MeasuredBy))
def test_the_parts_add_up_exactly_whatever_the_paper_and_the_meters_say(
    tariff: tuple[str, str],
    terms: Terms,
    end: date,
    kwh: int,
    paid: Decimal,
    circuits: list[CircuitUse],
    by: MeasuredBy,
) -> None:
    start = date.fromordinal(end.toordinal() - 30 * terms.billing_months)
    biller = Biller.of_period(start, end, terms=terms, prices=book_of(*tariff))
    found = reconcile(biller, billed_kwh=kwh, paid_mxn=paid, circuits=circuits, measured_by=by)
    assert sum(found.kwh_parts) == found.difference_kwh == kwh - found.measured_kwh
    assert sum(found.mxn_parts) == found.difference_mxn == paid - found.measured_cost_mxn
    assert all(part == round(part, 3) for part in found.kwh_parts)
    assert all(part == round(part, 2) for part in found.mxn_parts)
    assert 0 <= found.kwh_parts.no_data <= max(found.difference_kwh + 1, 0)
    assert abs(found.kwh_parts.rounding) < 1 > abs(found.mxn_parts.rounding)
    assert (found.mxn_parts.price_or_tariff == 0) == (abs(paid - found.bill.grand_total) < 1)


def test_what_the_meters_saw_and_the_paper_says_alike_is_rounding() -> None:
    found = _reconcile((327_100.4, 1.0))
    assert (found.measured_kwh, found.difference_kwh) == (Decimal("327.1"), Decimal("0.9"))
    assert _kwh(found) == (0, 0, 0, 0.9)
    assert found.measured_cost_mxn == Decimal("341.71")
    assert found.mxn_parts == MxnParts(0, 0, 0, Decimal("63.21"), 0, Decimal("-0.92"))


def test_hours_without_data_count_at_the_mean_power_of_the_others_and_the_rest_was_not_measured() -> None:
    found = _reconcile((150_000, 0.9), (120_400, 1.0))
    assert _kwh(found) == (17, 41, 0, -0.4)
    assert found.known_share == pytest.approx(0.95)
    # 270, 287 and 328 kWh: 250 at 1.004 and the rest at 1.163.
    assert [float(part) for part in found.mxn_parts] == [19.77, 47.68, 0, 63.21, 0, -0.92]
    assert found.measured_cost_mxn == Decimal("274.26")


def test_hours_without_data_explain_no_more_than_there_is_to_explain() -> None:
    assert _kwh(_reconcile((300_000, 0.5))) == (28, 0, 0, 0)


def test_a_main_meter_differs_from_the_one_of_cfe() -> None:
    assert _kwh(_reconcile((320_000, 1.0), by=MeasuredBy.MAINS)) == (0, 0, 8, 0)
    found = _reconcile((340_000, 0.9), by=MeasuredBy.MAINS)
    assert _kwh(found) == (0, 0, -12, 0)
    assert found.mxn_parts.meter_difference == Decimal("-13.96")


@pytest.mark.parametrize(
    ("by", "circuits", "parts"),
    [
        (MeasuredBy.NOTHING, [], (0, 328, 0, 0)),
        (MeasuredBy.CIRCUITS, [], (328, 0, 0, 0)),
        (MeasuredBy.MAINS, [], (328, 0, 0, 0)),
        (MeasuredBy.CIRCUITS, [(5_000, 0.0)], (323, 0, 0, 0)),
        (MeasuredBy.CIRCUITS, [(100_000, 1.0), (0, 0.0)], (0, 228, 0, 0)),
    ],
)
def test_without_any_data_the_hours_explain_it_all_but_not_in_a_home_without_meters(
    by: MeasuredBy, circuits: list[tuple[float, float]], parts: tuple[float, ...]
) -> None:
    found = _reconcile(*circuits, by=by)
    assert _kwh(found) == parts
    assert found.known_share == pytest.approx(1 / 2 if len(circuits) == 2 else 0)


@pytest.mark.parametrize(
    ("paid", "price", "rounding"),
    [("404.92", "0", "0.00"), ("405.91", "0", "0.99"), ("403.93", "0", "-0.99"), ("406.00", "2.00", "-0.92")],
)
def test_less_than_a_peso_is_cents_and_more_a_wrong_price(paid: str, price: str, rounding: str) -> None:
    parts = _reconcile((328_000, 1.0), paid=paid).mxn_parts
    assert (parts.price_or_tariff, parts.rounding) == (Decimal(price), Decimal(rounding))


def test_the_parts_of_both_differences_bear_the_same_names() -> None:
    assert set(KwhParts._fields) < set(MxnParts._fields)


@pytest.mark.parametrize("tariff", ["1", "1A", "1C", "1F", "DAC"])
def test_the_tariff_behind_a_real_paper_bill_is_found(tariff: str) -> None:
    found = suggestions(PERIOD, kwh=328, paid_mxn=Decimal(404), tariff=tariff, terms=PLAYA, price_books=BOOKS)
    assert found[0] == ("1B", PLAYA, Decimal("404.92"))
    assert len(found) <= 3


def test_the_start_of_summer_behind_a_paper_bill_is_found() -> None:
    period = Cycle(date(2026, 3, 20), date(2026, 5, 20))
    paid = Biller.of_period(*period, terms=PLAYA, prices=BOOKS["1B"]).bill(500).grand_total
    terms = PLAYA._replace(summer_start_month=5)
    found = suggestions(period, kwh=500, paid_mxn=paid, tariff="1B", terms=terms, price_books=BOOKS)
    assert found[0] == ("1B", PLAYA, paid)  # and not March, which makes the same bill but is further off


def test_the_nearest_contract_comes_first() -> None:
    dac = Biller.of_period(*PERIOD, terms=PLAYA, prices=BOOKS["DAC"]).bill(328)
    found = suggestions(PERIOD, kwh=328, paid_mxn=dac.grand_total, tariff="1B", terms=PLAYA, price_books=BOOKS)
    assert found == [("DAC", PLAYA, dac.grand_total)]


def test_a_contract_that_explains_the_bill_needs_no_other() -> None:
    assert suggestions(PERIOD, kwh=328, paid_mxn=Decimal(404), tariff="1B", terms=PLAYA, price_books=BOOKS) == []


def test_what_nothing_explains_has_no_suggestion() -> None:
    assert (
        suggestions(PERIOD, kwh=328, paid_mxn=Decimal(9), tariff="1B", terms=PLAYA, price_books=BOOKS | {"1B": book_of("2")})
        == []
    )


def test_a_bill_that_is_neither_short_nor_long_may_be_of_one_month_or_of_two() -> None:
    period = Cycle(date(2026, 5, 8), date(2026, 6, 20))
    monthly = PLAYA._replace(billing_months=1)
    paid = Biller.of_period(*period, terms=PLAYA, prices=BOOKS["1B"]).bill(400).grand_total
    found = suggestions(period, kwh=400, paid_mxn=paid, tariff="1B", terms=monthly, price_books=BOOKS)
    assert found[0] == ("1B", PLAYA, paid)
