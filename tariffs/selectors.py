"""Where the rest of the system gets a home's billing cycle and what it costs."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.models import Contract, Home
from tariffs.bill import Bill, Levy, Terms
from tariffs.billing import Biller
from tariffs.cycles import Cycle, cycle_containing
from tariffs.exceptions import PricesMissing
from tariffs.models import Price
from tariffs.prices import NoPrices, PriceBook


def local_date(home: Home, moment: datetime) -> date:
    """Return the date that an aware datetime has in the home's zone."""
    return moment.astimezone(ZoneInfo(home.time_zone)).date()


def current_cycle(home: Home, now: datetime) -> Cycle:
    """Return the billing cycle that the home is in, in its local dates (1 query for the contract, unless it is loaded)."""
    return cycle_on(home, local_date(home, now))


def cycle_on(home: Home, day: date) -> Cycle:
    """Return the billing cycle that a local date is in, by the contract of that date (1 query, unless it is loaded)."""
    return cycle_of(home.contract_on(day), day)


def cycle_of(contract: Contract, day: date) -> Cycle:
    """Return the billing cycle that a local date is in, by this contract."""
    return cycle_containing(day, contract.billing_day, contract.billing_months, contract.cycle_month)


def terms_of(contract: Contract) -> Terms:
    """Return what the billing engine needs of a contract."""
    return Terms(
        contract.billing_months,
        contract.summer_start_month,
        contract.iva_rate,
        lighting=Levy(contract.dap_share, contract.dap_mxn),
        discount=Levy(contract.discount_share, contract.discount_mxn),
    )


def cycle_bounds(home: Home, cycle: Cycle) -> tuple[datetime, datetime]:
    """Return the local midnights [start, end) of a cycle in UTC; their distance is an hour off where the clocks change."""
    zone = ZoneInfo(home.time_zone)
    start, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in cycle)
    return start, end


def biller_for(contract: Contract, cycle: Cycle) -> Biller:
    """Return the bill of a cycle as a function of its kWh (1 query). Raises PricesMissing."""
    prices = PriceBook(Price.objects.of_contract(contract.tariff, contract.dac_region).rates())
    try:
        return Biller.of_period(cycle.start, cycle.end, terms=terms_of(contract), prices=prices)
    except NoPrices as error:
        raise PricesMissing(_("Los precios de CFE de esta tarifa no están cargados.")) from error


def bill_for(contract: Contract, cycle: Cycle, kwh: int) -> Bill:
    """Return the bill of a cycle with that many whole kWh (1 query). Raises PricesMissing.

    For a running cycle it is what CFE would print if it closed with the kWh so far, the minimum included.
    """
    return biller_for(contract, cycle).bill(kwh)
