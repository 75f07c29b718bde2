from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.carbon import footprint, grid_factor

TREE = Decimal(22)


@pytest.mark.parametrize(
    ("year", "factor"), [(2022, "0.435"), (2023, "0.438"), (2024, "0.444"), (2025, "0.444"), (2040, "0.444"), (2019, "0.435")]
)
def test_the_factor_is_that_of_the_year_and_the_latest_known_serves_later_ones(year: int, factor: str) -> None:
    assert grid_factor(year) == Decimal(factor)


def test_the_footprint_of_a_hundred_kwh() -> None:
    assert footprint(Decimal(100), 2024, kg_per_tree_and_year=TREE) == (Decimal("44.4"), Decimal("44.4") / 22)


@pytest.mark.parametrize("factor", ["0.527", "0"])
def test_a_factor_of_the_operator_s_replaces_the_table(factor: str) -> None:
    found = footprint(Decimal(100), 2024, kg_per_tree_and_year=TREE, factor_kg_per_kwh=Decimal(factor))
    assert found.co2_emitted_kg == 100 * Decimal(factor)


@given(kwh=st.decimals(0, 10**6, places=3), year=st.integers(2000, 2100))
def test_trees_times_what_one_takes_up_is_what_was_emitted(kwh: Decimal, year: int) -> None:
    found = footprint(kwh, year, kg_per_tree_and_year=TREE)
    assert abs(found.equivalent_trees_absorption_per_year * TREE - found.co2_emitted_kg) < Decimal("1e-9")
