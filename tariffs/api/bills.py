"""The paper bills of the caller's home."""

from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.security.authentication import caller
from accounts.selectors import home_to_change
from common.fields import DayField, sentences
from common.request_serializers import BodySerializer
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from tariffs import services
from tariffs.cfe.tariffs import MAX_DAYS, MAX_KWH, MAX_MXN
from tariffs.models import PaperBill
from tariffs.selectors.paper_bills import paper_bill_get, paper_bill_warnings, paper_bills_of


def _day(missing: Any, **options: Any) -> DayField:
    return DayField(error_messages=sentences(missing=missing, wrong=_("La fecha se escribe AAAA-MM-DD.")), **options)


class BillAddSerializer(BodySerializer):
    """A bill as it is printed: `period_end` is the date of its reading, on which the next one starts. Its context says `today`."""

    period_start = _day(_("El inicio del periodo es obligatorio."), source="start")
    period_end = _day(_("El fin del periodo es obligatorio."), source="end")
    kwh = serializers.IntegerField(
        min_value=0,
        max_value=MAX_KWH,
        error_messages=sentences(
            missing=_("El consumo es obligatorio."), wrong=_("El consumo es un número entero de kWh, que no pasa de un millón.")
        ),
    )
    total_mxn = serializers.DecimalField(
        10,
        2,
        min_value=0,
        max_value=MAX_MXN,
        coerce_to_string=False,
        error_messages=sentences(
            missing=_("El total pagado es obligatorio."),
            wrong=_("El total es un número de pesos con dos decimales como máximo, que no pasa de diez millones."),
        ),
    )

    confirm = serializers.BooleanField(default=False, help_text="Keep the bill although its figures are implausible.")

    def validate_period_end(self, value: date) -> date:
        """Refuse a reading that is still to come."""
        if value > self.context["today"]:
            raise serializers.ValidationError(_("El periodo termina en el futuro."), "invalid")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that no bill has."""
        if not 0 < (attrs["end"] - attrs["start"]).days <= MAX_DAYS:
            raise serializers.ValidationError({"period_end": [_("El periodo debe tener de 1 a 100 días.")]}, "invalid")
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


ASKED = {"period_start": "2026-04-18", "period_end": "2026-06-20", "kwh": 328, "total_mxn": 404.0}
EXAMPLE = {"id": 7, **ASKED, "days": 63, "average_kwh_day": 5.21}
NO_HOME = "Tu cuenta no pertenece a ningún hogar."
NOT_THERE = "Recibo no encontrado o no pertenece a tu hogar."
VIEWER = refusals(
    {403: ("Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo.", "Aún no perteneces a ningún hogar.")}
)


class BillsView(APIView):
    """All of them."""

    @extend_schema(
        operation_id="bills",
        tags=["bills"],
        summary="List the paper bills",
        description="The paper bills of the home as a plain array, the newest first.",
        responses={
            200: answer(BillSerializer(many=True), EXAMPLE),
            **NEEDS_LOGIN,
            **refusals({404: NO_HOME}),
        },
    )
    def get(self, request: Request) -> Response:
        """Return the bills, the newest first."""
        return Response(BillSerializer(paper_bills_of(caller(request).home), many=True).data)

    @extend_schema(
        operation_id="bill_add",
        tags=["bills"],
        summary="Type in a paper bill",
        description=(
            "Dates are as they are printed, so that a bill starts on the date on which the one before ends. A bill that is newer "
            "than the last reading that the contract knows sets, from its end on, the days and the months of the billing cycles. "
            "Figures that no home has, or that are far from the tariff's prices, the home's past or its meters, are refused (422 of "
            "type `implausible`) unless `confirm` says that they are printed so."
        ),
        request=BillAddSerializer,
        responses={
            201: answer(BillSerializer, EXAMPLE),
            **NEEDS_LOGIN,
            **VIEWER,
            **refusals({409: "Ya hay un recibo que cubre parte de ese periodo."}),
            **invalid("period_end", "El periodo termina en el futuro.", value="2126-06-20"),
        },
        examples=asking(ASKED),
    )
    def post(self, request: Request) -> Response:
        """Keep a bill, and return it."""
        home = home_to_change(caller(request))
        serializer = BillAddSerializer(data=request.data, context={"today": home.today})
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        if not asked.pop("confirm") and (warnings := paper_bill_warnings(PaperBill(home=home, **asked))):
            raise serializers.ValidationError(warnings, "implausible")
        bill = services.paper_bill_add(home=home, **asked)
        return Response(BillSerializer(bill).data, status=status.HTTP_201_CREATED)


class BillView(APIView):
    """One of them."""

    @extend_schema(
        operation_id="bill_delete",
        tags=["bills"],
        summary="Delete a paper bill",
        description="The contract forgets the reading that the newest bill has told it of, if nothing was changed since.",
        responses={
            204: OpenApiResponse(description="It is gone."),
            **NEEDS_LOGIN,
            **VIEWER,
            **refusals({404: NOT_THERE}),
        },
    )
    def delete(self, request: Request, bill_id: str) -> Response:
        """Forget a bill."""
        services.paper_bill_delete(bill=paper_bill_get(home=home_to_change(caller(request)), bill_id=bill_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
