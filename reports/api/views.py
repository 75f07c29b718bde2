"""The dashboard."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.exceptions import NoContract, NoHome
from accounts.security.authentication import caller
from common.schema import NEEDS_LOGIN, answer, refusals
from common.views import conditional
from reports.api.serializers import SummarySerializer
from reports.selectors import dashboard_summary
from tariffs.api.schema import OUTLOOK

EXAMPLE = {
    "kwh_consumed_cycle": 212.483,
    "estimated_cost_mxn": 435.21,
    "billing_cycle_start": "2026-11-12",
    "billing_cycle_end": "2026-12-11",
    "days_in_cycle": 11,
    "current_tariff": "1b",
    "carbon_footprint": {"co2_emitted_kg": 94.34, "equivalent_trees_absorption_per_year": 4.29},
    "latest_recommendation": "Tu refrigerador trabaja de noche más de lo normal: revisa el sello de la puerta.",
    "cost_certainty": "estimate",
    "price_month": "2026-11",
    "kwh_measured_cycle": 190.242,
    "hours_passed": 278,
    "hours_known": 250.5,
    "outlook": OUTLOOK,
}


@conditional
class DashboardSummaryView(APIView):
    """The home screen's numbers."""

    @extend_schema(
        tags=["dashboard"],
        operation_id="dashboard_summary",
        summary="Read the running cycle's energy and cost",
        description=(
            "The running billing cycle of the caller's home, in its local dates. `kwh_consumed_cycle` is the best estimate of what was "
            "used: `kwh_measured_cycle` and, where hours are not known (`hours_known` of `hours_passed`), what the home's own habits "
            "say of them; without habits (less than three days of data) it is what was measured, which is a lower bound. The cost is "
            "the bill, with all taxes, that CFE would print if the cycle closed with the whole kWh used so far, its minimum charge "
            "included. It is 0 while nothing is known to be used, and null where the prices of the tariff are missing. "
            "`cost_certainty` says whether the bill is `exact`, `provisional` (a price is derived or of another month) or an "
            "`estimate` (hours are missing, or a rule is not confirmed): `outlook.now` has the reasons; `price_month` is the month "
            "whose prices were used. Both are null without a bill, as is `outlook`, which is what `/tariffs/outlook` answers."
        ),
        request=None,
        responses={
            200: answer(SummarySerializer, EXAMPLE, "The running cycle"),
            **NEEDS_LOGIN,
            **refusals(NoHome, NoContract),
        },
    )
    def get(self, request: Request) -> Response:
        """Return the summary of the cycle that the caller's home is in."""
        return Response(SummarySerializer(dashboard_summary(caller(request).home, timezone.now())).data)
