"""What the dashboard shows of a home."""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import structlog
from django.conf import settings

from accounts.models import Home
from analysis.selectors import latest_recommendation
from reports.carbon import Footprint, footprint
from tariffs.cfe.cycles import Cycle
from tariffs.exceptions import PricesMissing
from tariffs.outlook.cycle_outlook import Outlook, SoFar
from tariffs.selectors.cycles import local_date
from tariffs.selectors.outlook import RunningCycle, outlook_of_cycle, running_cycle

log = structlog.get_logger(__name__)


class Summary(NamedTuple):
    """The running cycle of a home; dates are local, the end inclusive, money is pesos with IVA, street lighting and discounts.

    The kWh are the best estimate of what was used, `so_far` says what of it was measured. The cost is the bill that CFE would print if
    the meter were read now. Without a bill nothing is said of its certainty or of where
    the cycle leads: where nothing is measured yet the cost is 0, and where the operator has not loaded the prices it is None.
    """

    kwh_consumed_cycle: Decimal
    so_far: SoFar
    estimated_cost_mxn: Decimal | None
    billing_cycle_start: date
    billing_cycle_end: date
    days_in_cycle: int
    current_tariff: str
    carbon_footprint: Footprint
    latest_recommendation: str | None
    cost_certainty: str | None
    price_month: str | None
    outlook: Outlook | None


def carbon_of(kwh: Decimal, cycle: Cycle) -> Footprint:
    """Return the footprint of a cycle's energy, by the factor of the year that its last day is in or that settings name."""
    return footprint(
        kwh,
        cycle.last_day.year,
        kg_per_tree_and_year=Decimal(str(settings.CARBON_KG_PER_TREE_AND_YEAR)),
        factor_kg_per_kwh=settings.CARBON_EMISSION_FACTOR_KG_PER_KWH,
    )


def summary_of(
    home: Home, *, cycle: Cycle, today: date, so_far: SoFar, outlook: Outlook | None, recommendation: str | None
) -> Summary:
    """Return the summary of a home that used so much in the cycle up to today, and where that leads (0–1 queries)."""
    kwh = Decimal(max(round(so_far.kwh.expected * 1000), 0)) / 1000
    bill = outlook.now.bill if outlook else None
    return Summary(
        kwh_consumed_cycle=kwh,
        so_far=so_far,
        estimated_cost_mxn=bill.grand_total if bill else _cost_without_bill(kwh),
        billing_cycle_start=cycle.start,
        billing_cycle_end=cycle.last_day,
        days_in_cycle=cycle.days_elapsed(today),
        current_tariff=home.contract_on(today).tariff,
        carbon_footprint=carbon_of(kwh, cycle),
        latest_recommendation=recommendation,
        cost_certainty=bill.certainty if bill else None,
        price_month=f"{bill.price_month:%Y-%m}" if bill else None,
        outlook=outlook,
    )


def _cost_without_bill(kwh: Decimal) -> Decimal | None:
    return None if kwh else Decimal(0)


def _outlook_of(running: RunningCycle) -> Outlook | None:
    """Return where the cycle leads; None where nothing is known to be used, or prices are missing: the kWh are shown without."""
    if round(running.so_far.kwh.expected * 1000) <= 0:
        return None
    try:
        return outlook_of_cycle(running)
    except PricesMissing:
        log.warning("dashboard without cost: prices are not loaded", tariff=running.contract.tariff)
        return None


def dashboard_summary(home: Home, now: datetime) -> Summary:
    """Return the summary of the cycle that the home is in (at most 10 queries). Raises NoContract."""
    running = running_cycle(home, now)
    return summary_of(
        home,
        cycle=running.cycle,
        today=local_date(home, now),
        so_far=running.so_far,
        outlook=_outlook_of(running),
        recommendation=latest_recommendation(home),
    )
