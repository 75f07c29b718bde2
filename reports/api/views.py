"""The dashboard."""

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from ecowatt.conditional import conditional
from reports.api.serializers import SummarySerializer
from reports.selectors import dashboard_summary

ERROR_BODY = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
EXAMPLE = OpenApiExample(
    "Ciclo en curso",
    response_only=True,
    status_codes=["200"],
    value={
        "kwh_consumed_cycle": 212.48,
        "estimated_cost_mxn": 435.21,
        "billing_cycle_start": "2026-11-12",
        "billing_cycle_end": "2026-12-11",
        "days_in_cycle": 11,
        "current_tariff": "1b",
        "carbon_footprint": {"co2_emitted_kg": 94.34, "equivalent_trees_absorption_per_year": 4.29},
        "latest_recommendation": "Tu refrigerador trabaja de noche más de lo normal: revisa el sello de la puerta.",
        "cost_certainty": "exact",
        "price_month": "2026-11",
    },
)


def _error(text: str, detail: str) -> OpenApiResponse:
    return OpenApiResponse(ERROR_BODY, text, [OpenApiExample(text, value={"detail": detail})])


@conditional
class DashboardSummaryView(APIView):
    """The home screen's numbers."""

    @extend_schema(
        tags=["dashboard"],
        summary="Consumo y costo del ciclo en curso",
        description=(
            "The running billing cycle of the caller's home, in its local dates. The cost is the bill, with IVA, that CFE would "
            "print if the cycle closed with the whole kWh used so far, its minimum charge included. It is 0 while the cycle has "
            "no reading. `cost_certainty` says whether the bill is `exact`, `provisional` (a price is derived or of another "
            "month) or an `estimate`; `price_month` is the month whose prices were used. Both are null without a bill."
        ),
        request=None,
        responses={
            200: OpenApiResponse(SummarySerializer, "El ciclo en curso", [EXAMPLE]),
            401: _error("Sin sesión", "No autenticado"),
            503: _error("Sin precios", "Los precios de CFE de esta tarifa no están cargados."),
        },
    )
    def get(self, request: Request) -> Response:
        """Return the summary of the cycle that the caller's home is in."""
        home = cast("User", request.user).home
        return Response(SummarySerializer(dashboard_summary(home, timezone.now())).data)
