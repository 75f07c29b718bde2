"""What is asked to be different, and two bills side by side, straight from a Comparison."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from accounts.api.fields import RateField
from accounts.api.serializers import TermsSerializer
from common.fields import sentences
from common.request_serializers import BodySerializer
from devices.shelly_models import MAX_CHANNEL
from tariffs.api.fields import CentsField, RoundedField
from tariffs.api.serializers.bills import CalculatedBillSerializer
from tariffs.cfe.tariffs import MAX_KWH
from tariffs.outlook.what_if import Comparison


def _whole(text: Any, low: int, high: int, **options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=low, max_value=high, error_messages=sentences(missing=text, wrong=text), **options)


KWH, HOUR = (
    gettext_lazy("El consumo es un número entero de kWh, de 0 a 1,000,000."),
    gettext_lazy("La hora es un número entero de 0 a 23."),
)
CUT = gettext_lazy("El recorte es una fracción de 0 a 1, como 0.5 para la mitad.")
BUDGET = gettext_lazy("El presupuesto es un número de pesos, con dos decimales como máximo.")
DEVICE = gettext_lazy("El dispositivo y el canal son números enteros.")


class DeviceHoursSerializer(BodySerializer):
    """A device in some hours of the day, `[start_hour, end_hour)` by the home's clock; equal hours are the whole day."""

    device_id = _whole(DEVICE, 1, 2**31 - 1)
    channel = _whole(DEVICE, 0, MAX_CHANNEL, required=False)
    start_hour = _whole(HOUR, 0, 23, default=0)
    end_hour = _whole(HOUR, 0, 23, default=0)
    cut = serializers.DecimalField(
        5,
        4,
        min_value=0,
        max_value=1,
        default=Decimal(1),
        coerce_to_string=False,
        error_messages=sentences(missing=CUT, wrong=CUT),
    )
    move = serializers.BooleanField(default=False, help_text="The energy goes to other hours instead of being saved.")


class WhatIfSerializer(TermsSerializer):
    """What is different; the rest is as the contract and the forecast have it."""

    base_kwh = _whole(KWH, 0, MAX_KWH, required=False, help_text="Of the running cycle, in place of the forecast.")
    kwh = _whole(KWH, 0, MAX_KWH, required=False, help_text="Of the other bill's whole period.")
    budget_mxn = serializers.DecimalField(
        9,
        2,
        min_value=0,
        required=False,
        coerce_to_string=False,
        help_text="What the other bill may come to: it gets the most kWh that this buys, 0 where even the minimum costs more.",
        error_messages=sentences(missing=BUDGET, wrong=BUDGET),
    )
    device = DeviceHoursSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse more than one word on how much is used. Raises ValidationError."""
        given = [name for name in ("kwh", "budget_mxn", "device") if name in attrs]
        if len(given) > 1:
            raise serializers.ValidationError(
                {
                    given[0]: gettext_lazy(
                        "Indica solo una de estas tres cosas: los kWh, un presupuesto o las horas de un dispositivo."
                    )
                }
            )
        return attrs


class ComparedBillSerializer(serializers.Serializer[Any]):
    """A bill of the period, its end inclusive, and what it comes to in a month: of a year, where the two differ in length."""

    period_start = serializers.DateField(source="cycle.start")
    period_end = serializers.DateField(source="cycle.last_day")
    tariff = RateField()
    billing_months = serializers.IntegerField(source="months")
    mxn_per_month = CentsField()
    year_mxn = serializers.FloatField(
        allow_null=True, help_text="Of bills of different length: the twelve months until the running cycle's end."
    )
    bill = CalculatedBillSerializer(help_text="The bill as `manage.py cfe_bill --json` prints it.")


class ComparisonSerializer(serializers.Serializer[Any]):
    """Both bills; the difference is what the other one costs more a month."""

    base = ComparedBillSerializer()
    other = ComparedBillSerializer()
    difference_mxn_per_month = CentsField()
    saved_kwh = RoundedField(1, allow_null=True)
    note = serializers.SerializerMethodField()

    def get_note(self, comparison: Comparison) -> str | None:
        device = comparison.device
        if device and device.is_moved:
            return _("Las tarifas domésticas de CFE cuestan igual a cualquier hora: mover el consumo no cambia el recibo.")
        if device and comparison.saved_kwh is None:
            return _("Aún no hay pronóstico del ciclo: no se sabe cuánto ahorraría el recorte en lo que falta.")
        return None
