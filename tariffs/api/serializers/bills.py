"""Paper bills as they are typed in and shown, a calculated bill, and why the two differ."""

from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from accounts.api.fields import RateField
from common.fields import DayField, sentences
from common.request_serializers import BodySerializer
from tariffs.api.fields import LineKwhField, MonthField, ReasonsField
from tariffs.cfe.bill import CERTAINTIES, Certainty
from tariffs.cfe.tariffs import MAX_DAYS, MAX_KWH, MAX_MXN, Season, Tier
from tariffs.paper.reconciliation import MeasuredBy
from tariffs.selectors.paper_bills import ExplainedBill

WRONG_DAY = gettext_lazy("La fecha se escribe AAAA-MM-DD.")
FUTURE = gettext_lazy("El periodo termina en el futuro.")


def _day(missing: Any, **options: Any) -> DayField:
    return DayField(error_messages=sentences(missing=missing, wrong=WRONG_DAY), **options)


class BillAddSerializer(BodySerializer):
    """A bill as it is printed: `period_end` is the date of its reading, on which the next one starts. Its context says `today`."""

    period_start = _day(gettext_lazy("El inicio del periodo es obligatorio."), source="start")
    period_end = _day(gettext_lazy("El fin del periodo es obligatorio."), source="end")
    kwh = serializers.IntegerField(
        min_value=0,
        max_value=MAX_KWH,
        error_messages=sentences(
            missing=gettext_lazy("El consumo es obligatorio."),
            wrong=gettext_lazy("El consumo es un número entero de kWh, que no pasa de un millón."),
        ),
    )
    total_mxn = serializers.DecimalField(
        10,
        2,
        min_value=0,
        max_value=MAX_MXN,
        coerce_to_string=False,
        error_messages=sentences(
            missing=gettext_lazy("El total pagado es obligatorio."),
            wrong=gettext_lazy("El total es un número de pesos con dos decimales como máximo, que no pasa de diez millones."),
        ),
    )

    confirm = serializers.BooleanField(default=False, help_text="Keep the bill although its figures are implausible.")

    def validate_period_end(self, value: date) -> date:
        """Refuse a reading that is still to come."""
        if value > self.context["today"]:
            raise serializers.ValidationError(FUTURE, "invalid")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that no bill has."""
        if not 0 < (attrs["end"] - attrs["start"]).days <= MAX_DAYS:
            raise serializers.ValidationError({"period_end": [gettext_lazy("El periodo debe tener de 1 a 100 días.")]}, "invalid")
        return attrs


class BillSerializer(serializers.Serializer[Any]):
    """A bill that the home has had, with its days and mean use."""

    id = serializers.IntegerField()
    period_start = serializers.DateField(source="start")
    period_end = serializers.DateField(source="end", help_text="The date of the reading; the next bill starts on it.")
    days = serializers.IntegerField(source="day_count")
    kwh = serializers.IntegerField()
    total_mxn = serializers.DecimalField(10, 2, coerce_to_string=False)
    average_kwh_day = serializers.DecimalField(None, 2, coerce_to_string=False)


class LineSerializer(serializers.Serializer[Any]):
    """The energy of one tier, and the month whose price it has."""

    tier = serializers.ChoiceField([tier.value for tier in Tier])
    season = serializers.ChoiceField([season.value for season in Season])
    kwh = LineKwhField()
    price = serializers.FloatField()
    amount = serializers.FloatField()
    price_month = MonthField()


class CalculatedBillSerializer(serializers.Serializer[Any]):
    """A bill as CFE would print it, in pesos; `manage.py cfe_bill --json` prints the same."""

    kwh = serializers.IntegerField()
    lines = LineSerializer(many=True)
    fixed_charge = serializers.FloatField()
    energy_subtotal = serializers.FloatField()
    iva = serializers.FloatField()
    period_total = serializers.FloatField()
    dap = serializers.FloatField()
    discount = serializers.FloatField()
    other = serializers.FloatField()
    grand_total = serializers.FloatField()
    carried_in = serializers.FloatField()
    amount_to_pay = serializers.IntegerField()
    carried_out = serializers.FloatField()
    price_month = MonthField()
    season = serializers.ChoiceField([season.value for season in Season])
    certainty = serializers.ChoiceField(CERTAINTIES)
    reasons = ReasonsField(source="*")


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


class BilledTermsSerializer(serializers.Serializer[Any]):
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
    """Both differences of an ExplainedBill, each with parts that add up to it exactly."""

    note = serializers.SerializerMethodField(help_text="What to know before the parts: that the calculated bill is an estimate.")
    certainty = serializers.ChoiceField(CERTAINTIES, source="reconciliation.bill.certainty")
    reasons = ReasonsField(source="reconciliation.bill", help_text="Why the calculated bill is not exact.")
    bill = BillSerializer()
    contract = BilledTermsSerializer(help_text="What the bill should have been made by; its months are told by its length.")
    measured_by = serializers.ChoiceField([by.value for by in MeasuredBy], source="reconciliation.measured_by")
    known_share = _number(
        3,
        source="reconciliation.known_share",
        help_text="For how much of the period there is data, from 0 to 1: the mean of the circuits.",
    )
    measured_kwh = _number(3, source="reconciliation.measured_kwh")
    billed_kwh = serializers.IntegerField(source="reconciliation.billed_kwh")
    difference_kwh = _number(3, source="reconciliation.difference_kwh")
    kwh_parts = KwhPartsSerializer(source="reconciliation.kwh_parts")
    measured_cost_mxn = _number(
        2, source="reconciliation.measured_cost_mxn", help_text="The energy subtotal of the measured kWh, before tax."
    )
    paid_mxn = _number(2, source="reconciliation.paid_mxn")
    difference_mxn = _number(2, source="reconciliation.difference_mxn")
    mxn_parts = MxnPartsSerializer(source="reconciliation.mxn_parts")
    calculated_mxn = _number(2, source="reconciliation.bill.grand_total", help_text="What the billed kWh should cost, with tax.")
    suggestions = SuggestionSerializer(
        many=True, help_text="At most 3, the nearest first; none if the contract explains the bill."
    )

    def get_note(self, explained: ExplainedBill) -> str | None:
        if explained.reconciliation.bill.certainty != Certainty.ESTIMATE:
            return None
        return _("El recibo calculado es una estimación: lo que queda en precio o tarifa puede venir de ella.")
