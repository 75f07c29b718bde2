"""A paper bill beside what the home's meters say."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.fields import RateField
from accounts.security.authentication import caller
from common.schema import NEEDS_LOGIN, answer, refusals
from tariffs.api.bills import EXAMPLE as BILL
from tariffs.api.bills import NO_HOME, NOT_THERE, BillSerializer
from tariffs.cfe.bill import CERTAINTIES, Certainty
from tariffs.paper.reconciliation import MeasuredBy
from tariffs.rendering import reasons
from tariffs.selectors.paper_bills import explained_bill, paper_bill_get


def _number(decimal_places: int, **options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(None, decimal_places, coerce_to_string=False, **options)


class KwhPartsSerializer(serializers.Serializer[Any]):
    """What the billed kWh have beyond the measured ones."""

    no_data = _number(3, help_text="Of the hours without data, at the mean power of the others; an estimate.")
    circuits_not_measured = _number(3, help_text="Drawn by circuits without a meter; 0 where a main meter measures the home.")
    meter_difference = _number(3, help_text="What the main meter and CFE's differ by; 0 where circuits are measured.")
    rounding = _number(3, help_text="CFE prints whole kWh.")


class MxnPartsSerializer(serializers.Serializer[Any]):
    """What was paid beyond the energy, before tax, of the measured kWh."""

    no_data = _number(2)
    circuits_not_measured = _number(2)
    meter_difference = _number(2)
    dap_and_tax = _number(2, help_text="IVA and street lighting, less the state's discount.")
    price_or_tariff = _number(2, help_text="What the home's contract can't explain: another tariff, or a charge not of energy.")
    rounding = _number(2, help_text="Cents: bills are cut to whole pesos, and carry on what is left.")


class ContractTermsSerializer(serializers.Serializer[Any]):
    """The tariff and the terms of a bill."""

    tariff = RateField()
    billing_months = serializers.IntegerField()
    summer_start_month = serializers.IntegerField()


class SuggestionSerializer(serializers.Serializer[Any]):
    """A contract that would explain what was paid."""

    tariff = RateField()
    billing_months = serializers.IntegerField(source="terms.billing_months")
    summer_start_month = serializers.IntegerField(source="terms.summer_start_month")
    total_mxn = _number(2)


class ReconciliationSerializer(serializers.Serializer[Any]):
    """Both differences, each with parts that add up to it exactly."""

    note = serializers.CharField(
        allow_null=True, help_text="What to know before the parts: that the calculated bill is an estimate."
    )
    certainty = serializers.ChoiceField(CERTAINTIES, source="calculated.certainty")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why the calculated bill is not exact.")
    bill = BillSerializer()
    contract = ContractTermsSerializer(help_text="What the bill should have been made by; its months are told by its length.")
    measured_by = serializers.ChoiceField([by.value for by in MeasuredBy])
    known_share = _number(3, help_text="For how much of the period there is data, from 0 to 1: the mean of the circuits.")
    measured_kwh = _number(3)
    billed_kwh = serializers.IntegerField()
    difference_kwh = _number(3)
    kwh_parts = KwhPartsSerializer()
    measured_cost_mxn = _number(2, help_text="The energy subtotal of the measured kWh, before tax.")
    paid_mxn = _number(2)
    difference_mxn = _number(2)
    mxn_parts = MxnPartsSerializer()
    calculated_mxn = _number(2, source="calculated.grand_total", help_text="What the billed kWh should cost, with tax.")
    suggestions = SuggestionSerializer(
        many=True, help_text="At most 3, the nearest first; none if the contract explains the bill."
    )


TERMS = {"tariff": "1b", "billing_months": 2, "summer_start_month": 4}
EXAMPLE: dict[str, Any] = {
    "note": None,
    "certainty": "exact",
    "reasons": [],
    "bill": BILL,
    "contract": TERMS,
    "measured_by": "circuits",
    "known_share": 0.95,
    "measured_kwh": 300.2,
    "billed_kwh": 328,
    "difference_kwh": 27.8,
    "kwh_parts": {"no_data": 16.0, "circuits_not_measured": 12.0, "meter_difference": 0.0, "rounding": -0.2},
    "measured_cost_mxn": 309.15,
    "paid_mxn": 404.0,
    "difference_mxn": 94.85,
    "mxn_parts": {
        "no_data": 18.61,
        "circuits_not_measured": 13.95,
        "meter_difference": 0.0,
        "dap_and_tax": 63.21,
        "price_or_tariff": 0.0,
        "rounding": -0.92,
    },
    "calculated_mxn": 404.92,
    "suggestions": [],
}


class ReconciliationView(APIView):
    """Why a paper bill says something else than the meters."""

    @extend_schema(
        operation_id="bill_reconciliation",
        tags=["bills"],
        summary="Compare a paper bill with what was measured",
        description=(
            "The difference between the billed kWh and the measured ones, and between what was paid and the energy of the "
            "measured ones, in parts. A part may be negative. Where the home's contract does not explain what was paid, "
            "`suggestions` names the tariffs that would."
        ),
        responses={
            200: answer(ReconciliationSerializer, EXAMPLE),
            **NEEDS_LOGIN,
            **refusals(
                {
                    404: (NOT_THERE, NO_HOME, "Tu hogar no tiene un contrato de suministro."),
                    503: "Los precios de CFE de esta tarifa no están cargados.",
                }
            ),
        },
    )
    def get(self, request: Request, bill_id: str) -> Response:
        """Return the bill's differences and their parts."""
        bill = paper_bill_get(home=caller(request).home, bill_id=bill_id)
        explained = explained_bill(bill)
        found = explained.reconciliation
        body = found._asdict() | {
            "bill": bill,
            "contract": explained.contract,
            "calculated": found.bill,
            "difference_kwh": found.difference_kwh,
            "difference_mxn": found.difference_mxn,
            "note": _("El recibo calculado es una estimación: lo que queda en precio o tarifa puede venir de ella.")
            if found.bill.certainty == Certainty.ESTIMATE
            else None,
            "reasons": reasons(found.bill),
            "suggestions": explained.suggestions,
        }
        return Response(ReconciliationSerializer(body).data)
