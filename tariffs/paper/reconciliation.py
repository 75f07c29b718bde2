"""Why a paper bill says something else than the meters. Pure; energy of meters is Wh, of bills whole kWh, money Decimal pesos."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from tariffs.cfe.bill import ZERO, Bill, kwh_to_bill
from tariffs.cfe.billing import Biller
from telemetry.history.completeness import CircuitUse, known_share, missing_wh


class MeasuredBy(StrEnum):
    NOTHING = "nothing"
    CIRCUITS = "circuits"
    MAINS = "mains"


class KwhParts(NamedTuple):
    """What the kWh that the paper has beyond the measured ones are; of the second and the third, one is zero."""

    no_data: Decimal
    circuits_not_measured: Decimal
    meter_difference: Decimal
    rounding: Decimal


class MxnParts(NamedTuple):
    """What the pesos that the paper has beyond the cost of the measured kWh are."""

    no_data: Decimal
    circuits_not_measured: Decimal
    meter_difference: Decimal
    dap_and_tax: Decimal
    price_or_tariff: Decimal
    rounding: Decimal


class Reconciliation(NamedTuple):
    """A paper bill beside what was measured; the parts of a difference add up to it exactly.

    `measured_cost_mxn` is the energy subtotal, before tax, of the measured kWh (the minimum, if they are fewer); `bill` what the billed
    kWh should cost. `known_share` is the share of the period's time, from 0 to 1, for which there is data.
    """

    measured_kwh: Decimal
    billed_kwh: int
    kwh_parts: KwhParts
    measured_cost_mxn: Decimal
    paid_mxn: Decimal
    mxn_parts: MxnParts
    bill: Bill
    measured_by: MeasuredBy
    known_share: float

    @property
    def difference_kwh(self) -> Decimal:
        """Return the billed kWh less the measured ones."""
        return self.billed_kwh - self.measured_kwh

    @property
    def difference_mxn(self) -> Decimal:
        """Return what was paid less the cost of the measured kWh."""
        return self.paid_mxn - self.measured_cost_mxn


def reconcile(
    biller: Biller,
    *,
    billed_kwh: int,
    paid_mxn: Decimal,
    circuits: Sequence[CircuitUse],
    measured_by: MeasuredBy,
    netted_wh: float = 0.0,
) -> Reconciliation:
    """Split the differences between a paper bill and what the circuits of its period drew, less what was returned and netted of it.

    `no_data` is what the circuits would have drawn in the time that is unknown, each at its mean power, but never more than the
    paper has beyond the measured. If nothing at all is known of a home with meters, it is all of that. What is left was drawn past
    the circuits' meters, or is where a meter of the whole home and CFE's differ, and then may be negative.

    Pesos follow the kWh step by step: from the energy of the measured kWh, with those without data, to that of the billed ones, then to
    the bill with IVA, DAP and discount. Less than a peso from there to what was paid is cents that one bill carries to the next. From
    more, what cutting the bill to pesos explains is rounding, and the rest a wrong price or tariff (or a charge not of energy).
    """
    measured_wh = max(round(sum(circuit.energy_wh for circuit in circuits) - netted_wh), 0)
    whole = _as_printed(measured_wh, billed_kwh)
    no_data = _no_data(circuits, measured_by, billed_kwh - whole)
    bill = biller.bill(billed_kwh)
    measured_cost, known_cost = (biller.bill(kwh).energy_subtotal for kwh in (whole, whole + no_data))
    rounding = _cents(paid_mxn, bill)
    measured_kwh = Decimal(measured_wh) / 1000
    return Reconciliation(
        measured_kwh,
        billed_kwh,
        KwhParts(Decimal(no_data), *_beside(Decimal(billed_kwh - whole - no_data), measured_by), whole - measured_kwh),
        measured_cost,
        paid_mxn,
        MxnParts(
            known_cost - measured_cost,
            *_beside(bill.energy_subtotal - known_cost, measured_by),
            bill.grand_total - bill.energy_subtotal,
            paid_mxn - bill.grand_total - rounding,
            rounding,
        ),
        bill,
        measured_by,
        known_share(circuits),
    )


def _as_printed(measured_wh: int, billed_kwh: int) -> int:
    """Return the whole kWh that CFE's meter may have shown for the energy: any less than 1 kWh away, so the billed ones, or the nearest."""
    return billed_kwh if abs(1000 * billed_kwh - measured_wh) < 1000 else kwh_to_bill(measured_wh / 1000)


def _no_data(circuits: Sequence[CircuitUse], measured_by: MeasuredBy, gap_kwh: int) -> int:
    """Return the whole kWh of the time that is unknown, from 0 to the gap between the paper and the measured."""
    if gap_kwh <= 0 or measured_by == MeasuredBy.NOTHING:
        return 0
    if not any(circuit.known_share for circuit in circuits):
        return gap_kwh
    return kwh_to_bill(min(missing_wh(circuits) / 1000, gap_kwh))


def _beside(rest: Decimal, measured_by: MeasuredBy) -> tuple[Decimal, Decimal]:
    """Return what was not measured by circuits, and by what the main meter differs."""
    return (ZERO, rest) if measured_by == MeasuredBy.MAINS else (rest, ZERO)


def _cents(paid_mxn: Decimal, bill: Bill) -> Decimal:
    """Return how far cutting to whole pesos can have moved what was paid from the bill."""
    off = paid_mxn - bill.grand_total
    return off if abs(off) < 1 else bill.grand_total // 1 - bill.grand_total
