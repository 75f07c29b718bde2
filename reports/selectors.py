"""What the dashboard shows of a home."""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings

from accounts.models import Contract, Home
from analysis.selectors import latest_recommendation
from reports.carbon import Footprint, footprint
from tariffs.bill import Bill
from tariffs.cycles import Cycle
from tariffs.selectors import bill_for, current_cycle, cycle_bounds, local_date
from telemetry.selectors import home_energy_wh


class Summary(NamedTuple):
    """The running cycle of a home; dates are local, the end inclusive, money is pesos with IVA, street lighting and discounts.

    Without a bill (nothing measured yet) the cost is 0 and nothing is said of its certainty.
    """

    kwh_consumed_cycle: Decimal
    estimated_cost_mxn: Decimal
    billing_cycle_start: date
    billing_cycle_end: date
    days_in_cycle: int
    current_tariff: str
    carbon_footprint: Footprint
    latest_recommendation: str | None
    cost_certainty: str | None
    price_month: str | None


def carbon_of(kwh: Decimal, cycle: Cycle) -> Footprint:
    """Return the footprint of a cycle's energy, by the factor of the year that its last day is in or that settings name."""
    return footprint(
        kwh,
        cycle.last_day.year,
        kg_per_tree_and_year=Decimal(str(settings.CARBON_KG_PER_TREE_AND_YEAR)),
        factor_kg_per_kwh=settings.CARBON_EMISSION_FACTOR_KG_PER_KWH,
    )


def running_bill(contract: Contract, cycle: Cycle, energy_wh: float) -> Bill | None:
    """Return the bill of the energy so far, or None where none was measured: no meter, or no reading in this cycle (0–1 queries).

    kWh are cut to whole ones, as a meter shows them; one is not lost to the noise of adding floats.
    """
    whole_wh = round(energy_wh)
    return bill_for(contract, cycle, whole_wh // 1000) if whole_wh > 0 else None


def summary_of(home: Home, *, cycle: Cycle, today: date, energy_wh: float, recommendation: str | None) -> Summary:
    """Return the summary of a home that used so many Wh in the cycle up to today (0–2 queries). Raises PricesMissing."""
    kwh = Decimal(max(round(energy_wh), 0)) / 1000
    contract = home.contract_on(today)
    bill = running_bill(contract, cycle, energy_wh)
    return Summary(
        kwh_consumed_cycle=kwh,
        estimated_cost_mxn=bill.grand_total if bill else Decimal(0),
        billing_cycle_start=cycle.start,
        billing_cycle_end=cycle.last_day,
        days_in_cycle=cycle.days_elapsed(today),
        current_tariff=contract.tariff,
        carbon_footprint=carbon_of(kwh, cycle),
        latest_recommendation=recommendation,
        cost_certainty=bill.certainty if bill else None,
        price_month=f"{bill.price_month:%Y-%m}" if bill else None,
    )


def dashboard_summary(home: Home, now: datetime) -> Summary:
    """Return the summary of the cycle that the home is in (at most 7 queries). Raises PricesMissing."""
    cycle = current_cycle(home, now)
    return summary_of(
        home,
        cycle=cycle,
        today=local_date(home, now),
        energy_wh=home_energy_wh(home, *cycle_bounds(home, cycle)),
        recommendation=latest_recommendation(home),
    )
