"""What a contract would bill for a period and kWh, as a form and as on paper."""

from collections.abc import Sequence
from copy import copy
from datetime import date
from typing import Any, NamedTuple

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from accounts.models import Contract
from devices.meter_roles import Role
from devices.selectors import roles_of
from tariffs.cfe.bill import Doubt, kwh_to_bill
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.tariffs import MAX_DAYS, MAX_KWH
from tariffs.exceptions import PricesMissing
from tariffs.outlook.past_periods import NEGLIGIBLE_SHARE
from tariffs.rendering import bill_paper
from tariffs.selectors.cycles import bill_for, cycle_bounds, cycle_of
from tariffs.selectors.outlook import measured_periods
from telemetry.selectors import energy_wh

OLDEST, NEWEST = date(2000, 1, 1), date(2099, 12, 31)


class BillPreview(NamedTuple):
    """The bill of a contract as text, or why there is none. `kwh` is None where none were given and none measured."""

    contract: Contract
    cycle: Cycle
    kwh: int | None
    paper: str
    problem: str


def _day(**options: Any) -> forms.DateField:
    return forms.DateField(
        required=False,
        validators=[MinValueValidator(OLDEST), MaxValueValidator(NEWEST)],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        **options,
    )


class BillPreviewForm(forms.Form):
    """A period and its kWh; what is left empty is the contract's own."""

    start = _day(label=_("Desde"), help_text=_("Vacío: el ciclo en curso de cada contrato."))
    end = _day(label=_("Hasta"), help_text=_("El día de la lectura, como en el recibo."))
    kwh = forms.IntegerField(
        label=_("kWh"),
        required=False,
        min_value=0,
        max_value=MAX_KWH,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Vacío: los medidos en el periodo."),
    )

    def clean(self) -> dict[str, Any]:
        """Return the cycle or None, and the kWh or None."""
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if not self.errors and (bool(start) != bool(end) or (start and end and start >= end)):
            self.add_error("end", _("Indica el inicio y el fin del periodo, en ese orden."))
        elif start and end and (end - start).days > MAX_DAYS:
            self.add_error("end", _("El periodo debe tener de 1 a 100 días."))
        return {"cycle": Cycle(start, end) if start and end else None, "kwh": self.cleaned_data.get("kwh")}


def cycle_fields(contracts: Sequence[Contract]) -> dict[str, date]:
    """Return what the form begins with: the running cycle of a contract that stands alone."""
    if len(contracts) != 1:
        return {}
    cycle = _running_cycle(contracts[0])
    return {"start": cycle.start, "end": cycle.end}


def bill_preview(contract: Contract, *, cycle: Cycle | None, kwh: int | None) -> BillPreview:
    """Return what the contract bills for the cycle, its running one by default, and for the kWh, by default those measured.

    1–5 queries.
    """
    running = _running_cycle(contract)
    cycle = cycle or running
    if cycle != running:  # whoever types in a period knows when the meter was read
        contract = copy(contract)
        contract.last_reading = cycle.end
    doubts: tuple[Doubt, ...] = ()
    if kwh is None:
        roles = roles_of(contract.home)
        kwh, doubts = _measured_kwh(contract, roles, cycle), _doubts(contract, roles, cycle)
    if kwh is None:
        return BillPreview(contract, cycle, None, "", gettext("No hay medición en el periodo: escribe los kWh."))
    try:
        return BillPreview(contract, cycle, kwh, bill_paper(bill_for(contract, cycle, kwh).doubted(*doubts)), "")
    except PricesMissing as error:
        return BillPreview(contract, cycle, kwh, "", str(error))


def _running_cycle(contract: Contract) -> Cycle:
    return cycle_of(contract, contract.home.today)


def _measured_kwh(contract: Contract, roles: Sequence[Role], cycle: Cycle) -> int | None:
    """Return the whole kWh that the home drew, None where nothing was measured (1 query)."""
    measured_wh = sum(energy_wh(roles, *cycle_bounds(contract.home, cycle)))
    return kwh_to_bill(measured_wh / 1000) if round(measured_wh) > 0 else None


def _doubts(contract: Contract, roles: Sequence[Role], cycle: Cycle) -> tuple[Doubt, ...]:
    """Return that the measured kWh are a lower bound, where hours of the days gone by are not known (2 queries)."""
    gone = Cycle(cycle.start, min(cycle.end, contract.home.today))
    if gone.day_count <= 0:
        return ()
    period = measured_periods(contract.home, roles, [gone])[gone]
    return () if period and period.known_share >= 1 - NEGLIGIBLE_SHARE else (Doubt.UNKNOWN_HOURS,)
