"""A home's billing cycles, the contract that bills each, and what a cycle costs."""

import contextlib
from collections import defaultdict
from collections.abc import Collection
from copy import copy
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from accounts.models import Contract, Home
from tariffs.cfe.bill import Bill, Levy, Terms
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle, billing_months, cycle_containing
from tariffs.cfe.prices import NoPrices, PriceBook
from tariffs.exceptions import PricesMissing
from tariffs.models import Price, Scheme


def local_date(home: Home, moment: datetime) -> date:
    """Return the date that an aware datetime has in the home's zone."""
    return moment.astimezone(ZoneInfo(home.time_zone)).date()


def cycle_on(home: Home, day: date) -> Cycle:
    """Return the billing cycle that a local date is in, by the contract of that date (1 query, unless it is loaded)."""
    return cycle_of(home.contract_on(day), day)


def cycle_of(contract: Contract, day: date) -> Cycle:
    """Return the billing cycle that a local date is in, by this contract."""
    return cycle_containing(day, contract.billing_day, contract.billing_months, contract.cycle_month)


def contract_of_cycle(home: Home, cycle: Cycle) -> Contract:
    """Return what bills a cycle: the contract of its last day, even if it begins inside, but for the months, which its length tells."""
    contract = home.contract_on(cycle.last_day)
    months = billing_months(cycle.day_count)
    if contract.billing_months != months:
        contract = copy(contract)
        contract.billing_months = months
    return contract


def terms_of(contract: Contract) -> Terms:
    return Terms(
        contract.billing_months,
        contract.summer_start_month,
        contract.iva_rate,
        lighting=Levy(contract.dap_share, contract.dap_mxn),
        discount=Levy(contract.discount_share, contract.discount_mxn),
        is_reading_known=contract.last_reading is not None,
    )


def cycle_bounds(home: Home, cycle: Cycle) -> tuple[datetime, datetime]:
    """Return the local midnights [start, end) of a cycle in UTC; their distance is an hour off where the clocks change."""
    zone = ZoneInfo(home.time_zone)
    start, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in cycle)
    return start, end


def biller_for(contract: Contract, cycle: Cycle) -> Biller:
    """Return the bill of a cycle as a function of its kWh (1 query, 2 in a state that is known). Raises PricesMissing."""
    return billers_for(contract, cycle, {contract.tariff})[contract.tariff]


def billers_for(contract: Contract, cycle: Cycle, tariffs: Collection[str]) -> dict[str, Biller]:
    """Return the bill of a cycle in each tariff that has prices, by the contract's other terms.

    1 query, 2 in a state that is known. Raises PricesMissing if the contract's own tariff has none.
    """
    terms, billers = terms_of(contract), {}
    for tariff, prices in price_books(contract, {contract.tariff, *tariffs}).items():
        with contextlib.suppress(NoPrices):
            billers[tariff] = Biller.of_period(cycle.start, cycle.end, terms=terms, prices=prices)
    if contract.tariff not in billers:
        raise PricesMissing
    return billers


def price_books(contract: Contract, tariffs: Collection[str]) -> dict[str, PriceBook]:
    """Return the prices of the tariffs that have any, as they are in the contract's place (1 query, 2 in a state that is known)."""
    schemes, rates = Scheme.objects.of_place(contract.state, tariffs), defaultdict(list)
    for rate in Price.objects.of_contract(tariffs, contract.dac_region).rates():
        rates[rate.tariff].append(rate)
    return {name: PriceBook(found, [scheme for scheme in schemes if scheme.tariff == name]) for name, found in rates.items()}


def bill_for(contract: Contract, cycle: Cycle, kwh: int) -> Bill:
    """Return the bill of a cycle with that many whole kWh (1 query). Raises PricesMissing.

    For a running cycle it is what CFE would print if it closed with the kWh so far, the minimum included.
    """
    return biller_for(contract, cycle).bill(kwh)
