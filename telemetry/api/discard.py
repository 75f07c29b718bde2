"""DELETE /devices/{id}/readings: an owner discards what a device measured in a span of time."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.security.authentication import caller
from common.schema import NEEDS_LOGIN, answer, invalid, refusals
from devices.api.schema import DEVICE_ID
from devices.selectors import device_get_as_owner
from telemetry.api.serializers import MomentField
from telemetry.history.window import instant
from telemetry.services import readings_discard

DESCRIPTION = """\
For readings that are wrong: of a meter that was put on another circuit, or that somebody else sent in its name. Owner only; it can't be
undone, and who did it is kept. The span is widened to whole five minutes, and to whole hours where only these are left. What was used then
is unknown from now on: the counter's movement across it is not counted, and what comes after counts from its own first reading.
"""
EXAMPLE = {
    "from": "2026-11-22T18:00:00-06:00",
    "to": "2026-11-22T21:30:00-06:00",
    "readings": 2520,
    "five_minutes": 42,
    "hours": 3,
    "kwh": 4.218,
}
MISSING = _("Indica el inicio y el fin (from y to).")


class DiscardQuery(serializers.Serializer[Any]):
    """The span; its context says `zone`."""

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` can't be declared, since it is a word of the language."""
        since = MomentField(help_text="Start; a date is its local midnight.", error_messages={"required": MISSING})
        until = MomentField(help_text="End, not included; a date includes that whole day.", error_messages={"required": MISSING})
        return {"from": since, "to": until}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the instants. Raises ValidationError."""
        now, zone = timezone.now(), self.context["zone"]
        start, end = instant(attrs["from"], zone), instant(attrs["to"], zone, end=True)
        if start >= now:
            raise serializers.ValidationError({"from": _("El inicio debe ser anterior al momento actual.")})
        if end > now + timedelta(days=1):  # today's date ends tonight
            raise serializers.ValidationError({"to": _("El fin no puede estar en el futuro.")})
        if end <= start:
            raise serializers.ValidationError({"to": _("El fin debe ser posterior al inicio.")})
        return {"start": start, "end": min(end, now)}


class DiscardedSerializer(serializers.Serializer[Any]):
    """What was discarded, in the home's time; the kWh are those that its totals lost."""

    readings = serializers.IntegerField()
    five_minutes = serializers.IntegerField(help_text="Periods of five minutes.")
    hours = serializers.IntegerField(help_text="Hours of which nothing is left.")
    kwh = serializers.FloatField()

    def get_fields(self) -> dict[str, Any]:
        """Return the fields, with the span."""
        return {"from": serializers.DateTimeField(), "to": serializers.DateTimeField(), **super().get_fields()}


class ReadingsView(APIView):
    """The readings of a device."""

    @extend_schema(
        operation_id="device_readings_discard",
        summary="Discard what a device measured in a span of time",
        description=DESCRIPTION,
        tags=["devices"],
        parameters=[
            DEVICE_ID,
            *(
                OpenApiParameter(name, {"type": "string", "format": "date-time"}, required=True, description=field.help_text)
                for name, field in DiscardQuery().get_fields().items()
            ),
        ],
        responses={
            200: answer(DiscardedSerializer, EXAMPLE, "Discarded"),
            **NEEDS_LOGIN,
            **refusals(
                {
                    403: "Solo el dueño del hogar puede hacer esto.",
                    404: "Dispositivo no encontrado o no pertenece al usuario.",
                }
            ),
            **invalid("to", "El fin debe ser posterior al inicio.", value="2026-11-20", place="query"),
        },
    )
    def delete(self, request: Request, device_id: str) -> Response:
        """Discard the readings and answer how many they were."""
        user = caller(request)
        device = device_get_as_owner(user=user, device_id=device_id)
        zone = ZoneInfo(device.home.time_zone)
        query = DiscardQuery(data=request.query_params, context={"zone": zone})
        query.is_valid(raise_exception=True)
        found = readings_discard(device=device, user=user, **query.validated_data)
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
