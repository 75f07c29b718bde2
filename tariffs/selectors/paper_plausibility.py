"""What is implausible about a paper bill: by the prices of its tariff, the home's past, and its meters."""

import contextlib
from decimal import Decimal

from django.utils.translation import gettext as _

from accounts.cfe_tariffs import DAC
from tariffs.cfe.cycles import Cycle
from tariffs.exceptions import PricesMissing
from tariffs.models import PaperBill
from tariffs.paper.plausibility import amounts_mxn, kwh_beside_measured, most_kwh_per_day
from tariffs.selectors.cycles import billers_for, contract_of_bill, cycle_uses


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
    measured_by, (circuits,) = cycle_uses(bill.home, [Cycle(bill.start, bill.end)])
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
