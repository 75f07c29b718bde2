"""Where the rest of the system gets a home's billing cycle, what it costs, and its paper bills."""

import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from copy import copy
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from accounts.cfe_tariffs import DAC, DAC_REGIONS, LOCALITY_TARIFFS, TARIFFS
from accounts.models import Contract, Home
from common.ids import row_id
from devices.selectors import roles_of
from tariffs.cfe.bill import Bill, Levy, Terms
from tariffs.cfe.billing import Biller
from tariffs.cfe.cycles import Cycle, billing_months, cycle_containing
from tariffs.cfe.prices import NoPrices, PriceBook, Rate
from tariffs.cfe.tariffs import NATIONAL, Provenance
from tariffs.exceptions import BillNotFound, PricesMissing
from tariffs.models import PaperBill, Price, Scheme
from tariffs.paper.reconciliation import MeasuredBy, Reconciliation, reconcile
from tariffs.paper.suggestions import Suggestion, suggestions
from telemetry.history.completeness import CircuitUse, mains_share
from telemetry.selectors import circuit_uses, returned_wh

MOSTLY = 0.9


def local_date(home: Home, moment: datetime) -> date:
    """Return the date that an aware datetime has in the home's zone."""
    return moment.astimezone(ZoneInfo(home.time_zone)).date()


def mexican_today() -> date:
    """Return the date that it is in most of Mexico."""
    return timezone.localdate(timezone=ZoneInfo("America/Mexico_City"))


def prices_of(month: date, tariff: str | None = None) -> list[Rate]:
    """Return the rates of a month, of one tariff or all, by tariff, region, season and tier (1 query).

    Where a season of a tariff has none for the month, those of its last known month before it.
    """
    return Price.objects.of_tariff(tariff).in_month(month).order_by("tariff", "region", "season", "lower_kwh_month").rates()


class PriceGap(NamedTuple):
    """A tariff in one region without a published price of a month, and what bills take instead."""

    tariff: str
    region: str
    instead: str

    def __str__(self) -> str:
        place = "" if self.region == NATIONAL else f" in {self.region}"
        return f"no published price of tariff {self.tariff}{place}, {self.instead} stand in"


def price_gaps(month: date) -> list[PriceGap]:
    """Return where a month (its first day) has no price that was seen in print, by tariff and region (1 query)."""
    known = {(tariff, NATIONAL): (None, False) for tariff in LOCALITY_TARIFFS}
    known |= {(DAC, region): (None, False) for region in DAC_REGIONS}
    rows = Price.objects.filter(month__lte=month).order_by().values("tariff", "region").annotate(last=Max("month"))
    published = Count("id", filter=Q(month=month, provenance=Provenance.PUBLISHED))
    found = {(row["tariff"], row["region"]): (row["last"], row["published"] > 0) for row in rows.annotate(published=published)}
    return [
        PriceGap(tariff, region, "none" if last is None else "derived ones" if last == month else f"those of {last:%Y-%m}")
        for (tariff, region), (last, is_published) in (known | found).items()
        if not is_published
    ]


def current_cycle(home: Home, now: datetime) -> Cycle:
    """Return the billing cycle that the home is in, in its local dates (1 query for the contract, unless it is loaded)."""
    return cycle_on(home, local_date(home, now))


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


def paper_bills_of(home: Home) -> QuerySet[PaperBill]:
    """Return the paper bills of a home, the newest first (1 query)."""
    return home.paper_bills.order_by("-end")


def paper_bill_get(*, home: Home, bill_id: str | int) -> PaperBill:
    """Return a paper bill of the home, whatever text stands for its id (1 query). Raises BillNotFound."""
    bill = home.paper_bills.filter(pk=row_id(bill_id)).first()
    if bill is None:
        raise BillNotFound
    return bill


def terms_of(contract: Contract) -> Terms:
    """Return what the billing engine needs of a contract."""
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
    for tariff, prices in books_of(contract, {contract.tariff, *tariffs}).items():
        with contextlib.suppress(NoPrices):
            billers[tariff] = Biller.of_period(cycle.start, cycle.end, terms=terms, prices=prices)
    if contract.tariff not in billers:
        raise PricesMissing
    return billers


def books_of(contract: Contract, tariffs: Collection[str]) -> dict[str, PriceBook]:
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


def cycle_uses(home: Home, cycles: Sequence[Cycle]) -> tuple[MeasuredBy, list[list[CircuitUse]]]:
    """Return what measures the home, and what each of its circuits drew in each cycle (2 queries).

    The cycles must not overlap. In the hours that a device of the whole house knows, it is the only circuit; it measures the home where
    that is nearly all of the time.
    """
    roles = roles_of(home)
    bounds = [cycle_bounds(home, cycle) for cycle in cycles]
    edges = sorted({edge for pair in bounds for edge in pair})
    spans = dict(zip(edges, circuit_uses(roles, edges), strict=False)) if edges else {}
    uses = [spans[start] for start, _end in bounds]
    by_mains = mains_share([use for cycle in uses for use in cycle]) >= MOSTLY
    return MeasuredBy.MAINS if by_mains else MeasuredBy.CIRCUITS if roles else MeasuredBy.NOTHING, uses


def contract_of_bill(bill: PaperBill) -> Contract:
    """Return the contract that a paper bill was made by: that of its last day, but for the months and the reading, which it tells."""
    contract = copy(contract_of_cycle(bill.home, Cycle(bill.start, bill.end)))
    contract.last_reading = bill.end
    return contract


def reconciliation_of(bill: PaperBill) -> Reconciliation:
    """Return why a paper bill says something else than the meters (4 queries, 6 with netting). Raises NoContract and PricesMissing."""
    period, contract = Cycle(bill.start, bill.end), contract_of_bill(bill)
    biller = biller_for(contract, period)
    measured_by, (circuits,) = cycle_uses(bill.home, [period])
    netted_wh = 0.0
    if contract.generation == Contract.Generation.NET_METERING:
        (netted_wh,) = returned_wh(roles_of(bill.home), *cycle_bounds(bill.home, period))
    return reconcile(
        biller,
        billed_kwh=bill.kwh,
        paid_mxn=bill.total_mxn,
        circuits=circuits,
        measured_by=measured_by,
        netted_wh=netted_wh,
    )


def suggestions_for(bill: PaperBill, reconciliation: Reconciliation) -> list[Suggestion]:
    """Return other contracts that would explain what was paid, if the home's own does not (1 query, none where it does)."""
    if reconciliation.mxn_parts.price_or_tariff == 0:
        return []
    contract = contract_of_bill(bill)
    return suggestions(
        Cycle(bill.start, bill.end),
        kwh=bill.kwh,
        paid_mxn=bill.total_mxn,
        tariff=contract.tariff,
        terms=terms_of(contract),
        books=books_of(contract, TARIFFS),
    )
