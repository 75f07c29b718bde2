"""History of a home."""

from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Home
from accounts.security.authentication import caller
from common.schema import NEEDS_LOGIN, answer, invalid, refusals
from common.views import conditional
from devices.meter_roles import Role
from devices.selectors import device_of_home, roles_of
from telemetry.api.serializers import DaysSerializer, GraphQuery, GraphSerializer, HistoryQuery
from telemetry.history.window import Window
from telemetry.selectors import Step, history

ERRORS = NEEDS_LOGIN | refusals(
    {404: ("Dispositivo no encontrado o no pertenece al usuario.", "Tu cuenta no pertenece a ningún hogar.")}
)
WRONG_PERIOD = invalid(
    "period", "El periodo debe ser daily, weekly o monthly.", kind="invalid_choice", value="yearly", place="query"
)
WRONG_END = invalid("to", "El fin debe ser posterior al inicio.", value="2026-11-20", place="query")
GRAPH = {
    "period": "weekly",
    "unit": "kWh",
    "resolution": "1d",
    "data_points": [
        {"timestamp": "2026-11-22T12:00:00-06:00", "date": "2026-11-22", "value": 7.4120631},
        {"timestamp": "2026-11-23T12:00:00-06:00", "date": "2026-11-23", "value": None},
    ],
}
DAYS = {
    "labels": ["2026-11-22T12:00:00-06:00", "2026-11-23T12:00:00-06:00"],
    "dates": ["2026-11-22", "2026-11-23"],
    "watts": [308.83, None],
    "volts": [126.91, None],
    "amps": [2.581, None],
    "kwh": [7.4120631, None],
    "resolution": "1d",
}


def _asked(request: Request, query_class: type[HistoryQuery]) -> tuple[dict[str, Any], list[tuple[Any, Step | None]]]:
    """Return the checked question and its steps. Raises ValidationError, NotFound."""
    home = caller(request).home
    query = query_class(data=request.query_params, context={"zone": ZoneInfo(home.time_zone)})
    query.is_valid(raise_exception=True)
    asked = query.validated_data
    return asked, history(_roles(home, asked.get("device_id")), asked["window"], asked.get("channel"))


def _roles(home: Home, device_id: int | None) -> list[Role]:
    """Return the one device that is asked for, or what measures the home."""
    if device_id is None:
        return roles_of(home)
    return [Role(device_of_home(home=home, device_id=device_id).pk)]


def _kwh(step: Step) -> float:
    """Return the kWh so finely that all the points of an answer (MAX_STEPS) still add up to within half a Wh."""
    return round(step.drawn_wh / 1000, 7)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


@conditional
class GraphView(APIView):
    """Energy over time."""

    @extend_schema(
        operation_id="history_graph",
        summary="Read energy over time",
        tags=["history"],
        parameters=[GraphQuery],
        responses={200: answer(GraphSerializer, GRAPH), **ERRORS, **WRONG_PERIOD},
    )
    def get(self, request: Request) -> Response:
        """Return kWh by hour or local day: every circuit of the home, or one of them."""
        asked, steps = _asked(request, GraphQuery)
        custom = bool({"from", "to", "resolution"} & asked.keys())
        window: Window = asked["window"]
        points = [
            {
                "timestamp": window.label(start).isoformat(),
                "date": start.date().isoformat(),
                "value": step and _kwh(step),
            }
            for start, step in steps
        ]
        period = "custom" if custom else asked["period"]
        return Response({"period": period, "unit": "kWh", "resolution": window.resolution, "data_points": points})


@conditional
class LastSevenDaysView(APIView):
    """Means by day."""

    @extend_schema(
        operation_id="history_last7days",
        summary="Read mean power, voltage and current by day",
        tags=["history"],
        parameters=[HistoryQuery],
        responses={200: answer(DaysSerializer, DAYS), **ERRORS, **WRONG_END},
    )
    def get(self, request: Request) -> Response:
        """Return mean power (sum of circuits), mean voltage and sum of currents for each local day."""
        asked, steps = _asked(request, HistoryQuery)
        known = [step for _start, step in steps]
        return Response(
            {
                "labels": [asked["window"].label(start).isoformat() for start, _step in steps],
                "dates": [start.date().isoformat() for start, _step in steps],
                "watts": [step and _rounded(step.power_w, 2) for step in known],
                "volts": [step and _rounded(step.voltage_v, 2) for step in known],
                "amps": [step and _rounded(step.current_a, 3) for step in known],
                "kwh": [step and _kwh(step) for step in known],
                "resolution": asked["window"].resolution,
            }
        )
