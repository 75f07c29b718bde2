"""Two bills side by side."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.fields import RateField
from accounts.api.serializers import TermsSerializer
from accounts.models import Home
from accounts.security.authentication import caller
from common.fields import sentences
from common.request_serializers import BodySerializer, validated
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from devices.selectors import device_of_home
from devices.shelly_models import MAX_CHANNEL
from tariffs.cfe.bill import to_cents
from tariffs.cfe.tariffs import MAX_KWH
from tariffs.outlook.what_if import ComparedBill, Comparison, DeviceHours, WhatIf
from tariffs.rendering import bill_json
from tariffs.selectors.what_if import compare

TERMS = tuple(TermsSerializer().fields)


def _whole(text: Any, low: int, high: int, **options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=low, max_value=high, error_messages=sentences(missing=text, wrong=text), **options)


KWH, HOUR = _("El consumo es un número entero de kWh, de 0 a 1,000,000."), _("La hora es un número entero de 0 a 23.")
CUT = _("El recorte es una fracción de 0 a 1, como 0.5 para la mitad.")
BUDGET = _("El presupuesto es un número de pesos, con dos decimales como máximo.")
DEVICE = _("El dispositivo y el canal son números enteros.")


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
                {given[0]: _("Indica solo una de estas tres cosas: los kWh, un presupuesto o las horas de un dispositivo.")}
            )
        return attrs


class SideSerializer(serializers.Serializer[Any]):
    """A bill of the period, its end inclusive, and what it comes to in a month: of a year, where the two differ in length."""

    period_start = serializers.DateField()
    period_end = serializers.DateField()
    tariff = RateField()
    billing_months = serializers.IntegerField()
    mxn_per_month = serializers.FloatField()
    year_mxn = serializers.FloatField(
        allow_null=True, help_text="Of bills of different length: the twelve months until the running cycle's end."
    )
    bill = serializers.DictField(help_text="The bill as `manage.py cfe_bill --json` prints it.")


class ComparisonSerializer(serializers.Serializer[Any]):
    """Both bills; the difference is what the other one costs more a month."""

    base = SideSerializer()
    other = SideSerializer()
    difference_mxn_per_month = serializers.FloatField()
    saved_kwh = serializers.FloatField(allow_null=True)
    note = serializers.CharField(allow_null=True)


BILL = {
    "kwh": 328,
    "lines": [{"tier": "basico", "season": "verano", "kwh": 250, "price": 1.004, "amount": 251.0, "price_month": "2026-05"}],
    "grand_total": 404.92,
    "amount_to_pay": 404,
    "price_month": "2026-05",
    "certainty": "exact",
    "reasons": [],
}
SIDE = {
    "period_start": "2026-04-18",
    "period_end": "2026-06-19",
    "tariff": "1b",
    "billing_months": 2,
    "mxn_per_month": 202.46,
    "year_mxn": None,
    "bill": BILL,
}
EXAMPLE = {"base": SIDE, "other": SIDE, "difference_mxn_per_month": 0.0, "saved_kwh": None, "note": None}


class WhatIfView(APIView):
    """What the cycle would cost if something were different."""

    @extend_schema(
        operation_id="tariffs_what_if",
        tags=["tariffs"],
        summary="Compare the cycle's bill with another one",
        description=(
            "Two bills side by side: that of the running cycle as forecast (or of `base_kwh`), and the one that would come with other "
            "kWh (or those that a sum buys), other terms of the contract, or a device's hours cut or moved. A cut counts "
            "from now to the cycle's end. Bills of different length are compared over a year. Nothing is stored."
        ),
        request=WhatIfSerializer,
        responses={
            200: answer(ComparisonSerializer, EXAMPLE),
            **NEEDS_LOGIN,
            **refusals(
                {
                    404: (
                        "Dispositivo no encontrado o no pertenece al usuario.",
                        "Tu cuenta no pertenece a ningún hogar.",
                        "Tu hogar no tiene un contrato de suministro.",
                    ),
                    503: "Los precios de CFE de esta tarifa no están cargados.",
                }
            ),
            **invalid("kwh", "El consumo es un número entero de kWh, de 0 a 1,000,000.", value=-1, kind="min_value"),
        },
        examples=asking(
            {"tariff": "1c", "billing_months": 2, "device": {"device_id": 7, "start_hour": 22, "end_hour": 6, "cut": 0.5}}
        ),
    )
    def post(self, request: Request) -> Response:
        """Return both bills."""
        asked = validated(WhatIfSerializer, request)
        home = caller(request).home
        terms = {name: asked[name] for name in TERMS if name in asked}
        what_if = WhatIf(terms, asked.get("kwh"), asked.get("budget_mxn"), _device_hours(home, asked.get("device")))
        comparison = compare(home, timezone.now(), what_if, asked.get("base_kwh"))
        return Response(ComparisonSerializer(_json(comparison, asked.get("device"))).data)


def _device_hours(home: Home, asked: dict[str, Any] | None) -> DeviceHours | None:
    """Return the device's hours. Raises DeviceNotFound for a device of another home."""
    if asked is None:
        return None
    device = device_of_home(home=home, device_id=asked["device_id"])
    cut = Decimal(0) if asked["move"] else asked["cut"]
    return DeviceHours(device.pk, asked.get("channel"), asked["start_hour"], asked["end_hour"], cut)


def _note(device: dict[str, Any] | None, saved: float | None) -> str | None:
    if device and device["move"]:
        return str(_("Las tarifas domésticas de CFE cuestan igual a cualquier hora: mover el consumo no cambia el recibo."))
    if device and saved is None:
        return str(_("Aún no hay pronóstico del ciclo: no se sabe cuánto ahorraría el recorte en lo que falta."))
    return None


def _json(comparison: Comparison, device: dict[str, Any] | None) -> dict[str, Any]:
    base, other, saved, _device = comparison
    return {
        "base": _side(base),
        "other": _side(other),
        "difference_mxn_per_month": to_cents(other.mxn_per_month - base.mxn_per_month),
        "saved_kwh": None if saved is None else round(saved, 1),
        "note": _note(device, saved),
    }


def _side(side: ComparedBill) -> dict[str, Any]:
    return {
        "period_start": side.cycle.start,
        "period_end": side.cycle.last_day,
        "tariff": side.tariff,
        "billing_months": side.months,
        "mxn_per_month": to_cents(side.mxn_per_month),
        "year_mxn": side.year_mxn,
        "bill": bill_json(side.bill),
    }
