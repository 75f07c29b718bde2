"""Where the rest of the system gets a home's billing cycle and what it costs."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.models import Contract, Home
from tariffs.bill import Bill, Terms
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
    return cycle_containing(local_date(home, now), home.contract.billing_day)


def cycle_bounds(home: Home, cycle: Cycle) -> tuple[datetime, datetime]:
    """Return the local midnights [start, end) of a cycle in UTC; their distance is an hour off where the clocks change."""
    zone = ZoneInfo(home.time_zone)
    start, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in cycle)
    return start, end


def bill_for(contract: Contract, cycle: Cycle, kwh: int) -> Bill:
    """Return the bill of a cycle with that many whole kWh (1 query). Raises PricesMissing.

    For a running cycle it is what CFE would print if it closed with the kWh so far, the minimum included.
    """
    prices = PriceBook(Price.objects.of_contract(contract.tariff, contract.dac_region).rates())
    terms = Terms(summer_start_month=contract.summer_start_month, iva_rate=contract.iva_rate)
    try:
        return Biller.of_period(cycle.start, cycle.end, terms=terms, prices=prices).bill(kwh)
    except NoPrices as error:
        raise PricesMissing(_("Los precios de CFE de esta tarifa no están cargados.")) from error
