"""History of a home: as graphs, as a file, and without what an owner discards."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Home
from accounts.security.authentication import caller
from common.request_serializers import validated_query
from common.views import conditional
from devices.meter_roles import Role
from devices.models import Device
from devices.selectors import device_get_as_owner, device_of_home, roles_of
from telemetry.api import schema
from telemetry.api.downloads import Download, Lease
from telemetry.api.serializers import DiscardQuery, ExportQuery, GraphQuery, HistoryQuery
from telemetry.history.export import circuits_of, csv_pages
from telemetry.history.window import Window
from telemetry.selectors import Step, history
from telemetry.services import readings_discard


def _asked(request: Request, query_class: type[HistoryQuery]) -> tuple[dict[str, Any], list[tuple[Any, Step | None]]]:
    """Return the checked question and its steps. Raises ValidationError, NotFound."""
    home = caller(request).home
    asked = validated_query(query_class, request, zone=ZoneInfo(home.time_zone))
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

    @schema.graph
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

    @schema.last7days
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


class AnyAccepted(BaseContentNegotiation):
    """The file is CSV and a refusal JSON, whatever the caller says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the first."""
        return parsers[0]

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first, which refusals use."""
        return renderers[0], str(renderers[0].media_type)


class ExportView(APIView):
    """Readings and buckets as CSV."""

    content_negotiation_class = AnyAccepted

    @schema.export
    def get(self, request: Request) -> Download:
        """Stream the file: every circuit of the caller's home, or those asked for (4 queries, and 1 for each page)."""
        home = caller(request).home
        asked = validated_query(ExportQuery, request, zone=ZoneInfo(home.time_zone))
        devices = Device.with_retired.filter(home=home)
        if "device_id" in asked:
            devices = devices.filter(pk=device_of_home(home=home, device_id=asked["device_id"]).pk)
        pages = csv_pages(circuits_of(devices, asked.get("channel")), asked["window"])
        lease, headers = Lease(caller(request).pk), _headers(asked["window"])
        return Download(request._request, lease, pages, content_type="text/csv; charset=utf-8", headers=headers)  # noqa: SLF001


def _headers(window: Window) -> dict[str, str]:
    last = window.end - timedelta(microseconds=1)
    days = "-".join(f"{time.astimezone(window.zone):%Y%m%d}" for time in (window.start, last))
    return {
        "Content-Disposition": f'attachment; filename="ecowatt-{window.resolution}-{days}.csv"',
        "Cache-Control": "private, no-store",
    }


class ReadingsView(APIView):
    """The readings of a device."""

    @schema.discard
    def delete(self, request: Request, device_id: str) -> Response:
        """Discard the readings and answer how many they were."""
        user = caller(request)
        device = device_get_as_owner(user=user, device_id=device_id)
        zone = ZoneInfo(device.home.time_zone)
        found = readings_discard(device=device, user=user, **validated_query(DiscardQuery, request, zone=zone))
        return Response(
            {
                "from": found.start.astimezone(zone).isoformat(),
                "to": found.end.astimezone(zone).isoformat(),
                "readings": found.readings,
                "five_minutes": found.five_minutes,
                "hours": found.hours,
                "kwh": round(found.energy_wh / 1000, 3),
            }
        )
