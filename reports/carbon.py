"""Carbon dioxide of the energy used. Pure."""

from decimal import Decimal
from typing import NamedTuple

# kg CO2e per kWh of the national grid by year of consumption: SEMARNAT's yearly notices.
GRID_KG_PER_KWH = {2022: Decimal("0.435"), 2023: Decimal("0.438"), 2024: Decimal("0.444")}


class Footprint(NamedTuple):
    """What was emitted, kg CO2e, and the trees that take it up within a year."""

    co2_emitted_kg: Decimal
    equivalent_trees_absorption_per_year: Decimal


def grid_factor(year: int) -> Decimal:
    """Return kg CO2e per kWh used in the year: the latest known serves later years, the first known earlier ones."""
    known = [published for published in GRID_KG_PER_KWH if published <= year]
    return GRID_KG_PER_KWH[max(known, default=min(GRID_KG_PER_KWH))]


def footprint(kwh: Decimal, year: int, *, kg_per_tree_and_year: Decimal, factor_kg_per_kwh: Decimal | None = None) -> Footprint:
    """Return the footprint of the energy; a factor that is given replaces the grid's of the year."""
    kg = kwh * (grid_factor(year) if factor_kg_per_kwh is None else factor_kg_per_kwh)
    return Footprint(kg, kg / kg_per_tree_and_year)
