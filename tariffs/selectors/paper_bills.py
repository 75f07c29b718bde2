"""The paper bills of a home, beside its meters, its contract and its past."""

import contextlib
from collections.abc import Sequence
from copy import copy
from decimal import Decimal
from typing import NamedTuple

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.cfe_tariffs import DAC, TARIFFS
from accounts.models import Contract, Home
from common.ids import row_id
from devices.meter_roles import Role
from devices.selectors import roles_of
from tariffs.cfe.cycles import Cycle
from tariffs.exceptions import BillNotFound, PricesMissing
from tariffs.models import PaperBill
from tariffs.paper.plausibility import amounts_mxn, kwh_beside_measured, most_kwh_per_day
from tariffs.paper.reconciliation import MeasuredBy, Reconciliation, reconcile
from tariffs.paper.suggestions import Suggestion, suggestions
from tariffs.selectors.cycles import biller_for, billers_for, contract_of_cycle, cycle_bounds, price_books, terms_of
from telemetry.history.completeness import CircuitUse, mains_share
from telemetry.selectors import circuit_uses, returned_wh

MOSTLY = 0.9


def paper_bills_of(home: Home) -> QuerySet[PaperBill]:
    """Return the paper bills of a home, the newest first (1 query)."""
    return home.paper_bills.order_by("-end")


def paper_bill_get(*, home: Home, bill_id: str | int) -> PaperBill:
    """Return a paper bill of the home, whatever text stands for its id (1 query). Raises BillNotFound."""
    bill = home.paper_bills.filter(pk=row_id(bill_id)).first()
    if bill is None:
        raise BillNotFound
    return bill


def circuits_of_period(home: Home, roles: Sequence[Role], period: Cycle) -> tuple[MeasuredBy, list[CircuitUse]]:
    """Return what measures the home, and what each of its circuits drew in the period (1 query).

    In the hours that a device of the whole house knows, it is the only circuit; it measures the home where that is nearly all of the time.
    """
    (circuits,) = circuit_uses(roles, cycle_bounds(home, period))
    by_mains = mains_share(circuits) >= MOSTLY
    return MeasuredBy.MAINS if by_mains else MeasuredBy.CIRCUITS if roles else MeasuredBy.NOTHING, circuits


def contract_of_bill(bill: PaperBill) -> Contract:
    """Return the contract that a paper bill was made by: that of its last day, but for the months and the reading, which it tells."""
    contract = copy(contract_of_cycle(bill.home, Cycle(bill.start, bill.end)))
    contract.last_reading = bill.end
    return contract


class ExplainedBill(NamedTuple):
    """A paper bill, the contract that it should have been made by, and why it says something else than the meters.

    `suggestions` are other contracts that would explain what was paid, where the home's own does not.
    """

    bill: PaperBill
    contract: Contract
    reconciliation: Reconciliation
    suggestions: list[Suggestion]


def explained_bill(bill: PaperBill) -> ExplainedBill:
    """Return why a paper bill says what it says (4–6 queries). Raises NoContract and PricesMissing."""
    contract = contract_of_bill(bill)
    reconciliation = _reconciliation(bill, contract)
    is_explained = reconciliation.mxn_parts.price_or_tariff == 0
    return ExplainedBill(bill, contract, reconciliation, [] if is_explained else _suggestions(bill, contract))


def _reconciliation(bill: PaperBill, contract: Contract) -> Reconciliation:
    period = Cycle(bill.start, bill.end)
    biller = biller_for(contract, period)
    roles = roles_of(bill.home)
    measured_by, circuits = circuits_of_period(bill.home, roles, period)
    netted_wh = 0.0
    if contract.generation == Contract.Generation.NET_METERING:
        (netted_wh,) = returned_wh(roles, *cycle_bounds(bill.home, period))
    return reconcile(
        biller,
        billed_kwh=bill.kwh,
        paid_mxn=bill.total_mxn,
        circuits=circuits,
        measured_by=measured_by,
        netted_wh=netted_wh,
    )


def _suggestions(bill: PaperBill, contract: Contract) -> list[Suggestion]:
    return suggestions(
        Cycle(bill.start, bill.end),
        kwh=bill.kwh,
        paid_mxn=bill.total_mxn,
        tariff=contract.tariff,
        terms=terms_of(contract),
        price_books=price_books(contract, TARIFFS),
    )


def paper_bill_warnings(bill: PaperBill) -> dict[str, str]:
    """Return what is implausible about a bill, stored or not, as sentences by its fields (at most 7 queries). Raises NoContract."""
    warnings = {"kwh": _of_kwh(bill), "total_mxn": _of_total(bill)}
    advice = _("Revisa los datos; si así está impreso, confírmalo.")
    return {name: f"{text} {advice}" for name, text in warnings.items() if text}


def _of_kwh(bill: PaperBill) -> str | None:
    past = bill.home.paper_bills.exclude(pk=bill.pk)
    most = most_kwh_per_day(each.kwh / each.day_count for each in past)
    if bill.kwh / bill.day_count > most:
        return _("Son más kWh al día de los que usa tu hogar: hasta unos %(most)s.") % {"most": _rounded(most)}
    measured_by, circuits = circuits_of_period(bill.home, roles_of(bill.home), Cycle(bill.start, bill.end))
    low, high = kwh_beside_measured(circuits, measured_by)
    return None if low <= bill.kwh <= high else _("El consumo está lejos de lo que registraron los medidores en ese periodo.")


def _of_total(bill: PaperBill) -> str | None:
    contract = contract_of_bill(bill)
    with contextlib.suppress(PricesMissing):
        billers = billers_for(contract, Cycle(bill.start, bill.end), {DAC, contract.base_tariff} - {""})
        least, most = amounts_mxn(billers.values(), bill.kwh)
        if not least <= bill.total_mxn <= most:
            values = {"least": _rounded(least), "most": _rounded(most)}
            return _("Ese consumo cuesta entre unos %(least)s y %(most)s pesos en tu tarifa.") % values
    return None


def _rounded(number: float | Decimal) -> str:
    """Return a number of two digits and zeros, which is as much as a rule of thumb knows."""
    return f"{float(f'{number:.2g}'):,.0f}"
