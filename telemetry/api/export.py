"""GET /history/export: the past as a file."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.security.authentication import caller
from common.schema import NEEDS_LOGIN, invalid, refusals
from devices.models import Device
from devices.selectors import device_of_home
from telemetry.api.downloads import Download, Lease
from telemetry.api.serializers import HistoryQuery
from telemetry.history.csv_format import TIMES
from telemetry.history.export import circuits_of, csv_pages
from telemetry.history.window import Window, floored, instant

HOURS_LIMIT_DAYS = 3_660
DESCRIPTION = """\
A CSV file (UTF-8) with a header, a line for each reading (`raw`) or bucket (`5m`, `1h`, `1d`), by device, channel and time. Devices
are named by hardware id (MAC). `time` and `start` are UTC; a day's `date` is local. Energy is in Wh: `measured_wh + recovered_wh` is
what was drawn, the second being known from a counter that moved across a gap; `returned_wh` went back to the grid. Power is in W,
`covered_s` are the seconds that readings cover, and `flags` add up from 1 (recovered energy), 2 (a counter's jump was rejected) and
4 (a counter began again from zero). A reading's `kind` is that of the component that measured it (`switch`, `cover`, …), empty where it
is not known; each kind counts for itself, and a channel's readings go by kind before time. Numbers read back as exactly the same values.
`manage.py import_history` takes the file, but for `1d`, on another installation; buckets that came from there are exported like any other.

A user has one download at a time. Without `from` it goes back a day (`raw`, `5m`) or seven. A question can't be longer than what is
kept, or ten years of hours or days.
"""
EXAMPLE = (
    "resolution,hardware_id,channel,start,measured_wh,recovered_wh,returned_wh,covered_s,samples,power_min_w,power_mean_w,"
    "power_max_w,voltage_v,current_a,flags\r\n"
    "5m,A8032412C3D4,0,2026-11-23T06:00:00Z,34.375,0,0,300,60,398.2,412.5,431,127.1,3.25,0\r\n"
)
ERRORS = NEEDS_LOGIN | refusals(
    {
        404: ("Dispositivo no encontrado o no pertenece al usuario.", "Tu cuenta no pertenece a ningún hogar."),
        429: "Ya estás descargando un archivo. Espera a que termine para pedir otro.",
    }
)
TOO_LONG = invalid(
    "from",
    "El periodo es demasiado largo para un archivo; pide menos días.",
    kind="date_range",
    value="2020-01-01",
    place="query",
)


class ExportQuery(HistoryQuery):
    """Which circuits and which time, as what."""

    resolution = serializers.ChoiceField(choices=list(TIMES), default="1h", help_text="Readings, or buckets of this width.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add the window that the file covers."""
        zone: ZoneInfo = self.context["zone"]
        resolution = attrs["resolution"]
        fine = resolution in {"raw", "5m"}
        end = instant(attrs.get("to", timezone.now()), zone, end=True)
        start = instant(attrs["from"], zone) if "from" in attrs else end - timedelta(days=1 if fine else 7)
        start = start if resolution == "raw" else floored(start, resolution, zone)
        if end <= start:
            raise serializers.ValidationError({"to": _("El fin debe ser posterior al inicio.")})
        if end - start > timedelta(days=_limit_days(resolution) + 1):
            raise serializers.ValidationError(
                {"from": _("El periodo es demasiado largo para un archivo; pide menos días.")}, "date_range"
            )
        return attrs | {"window": Window(start, end, resolution, zone)}


def _limit_days(resolution: str) -> int:
    kept = {"raw": settings.TELEMETRY_RETENTION_DAYS, "5m": settings.TELEMETRY_BUCKET_RETENTION_DAYS}
    return int(kept.get(resolution, HOURS_LIMIT_DAYS))


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

    @extend_schema(
        operation_id="history_export",
        summary="Export readings or buckets as CSV",
        description=DESCRIPTION,
        tags=["history"],
        parameters=[ExportQuery],
        responses={
            (200, "text/csv"): OpenApiResponse(
                OpenApiTypes.STR, "The file", [OpenApiExample("Cinco minutos", value=EXAMPLE, response_only=True)]
            ),
            **ERRORS,
            **TOO_LONG,
        },
    )
    def get(self, request: Request) -> Download:
        """Stream the file: every circuit of the caller's home, or those asked for (4 queries, and 1 for each page)."""
        home = caller(request).home
        query = ExportQuery(data=request.query_params, context={"zone": ZoneInfo(home.time_zone)})
        query.is_valid(raise_exception=True)
        asked = query.validated_data
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
