"""The wire form of questions about the past, and of their answers."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices.shelly_models import MAX_CHANNEL
from telemetry.history.csv_format import TIMES
from telemetry.history.window import PERIODS, RESOLUTIONS, Window, days_window, floored, instant, period_window

MAX_STEPS = 10_000
# Of a file of hours or days.
HOURS_LIMIT_DAYS = 3_660
WRONG_PERIOD = _("El periodo debe ser daily, weekly o monthly.")
WRONG_END = _("El fin debe ser posterior al inicio.")
TOO_LONG = _("El periodo es demasiado largo para un archivo; pide menos días.")
MISSING = _("Indica el inicio y el fin (from y to).")


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(serializers.Field[datetime | date, str, str, Any]):
    """A date, or a time with an offset (one without is UTC)."""

    default_error_messages = {"invalid": _("Usa una fecha (2026-11-23) o una fecha y hora ISO 8601.")}

    def to_internal_value(self, data: str) -> datetime | date:
        """Return what the text says."""
        try:
            moment = parse_date(data) or parse_datetime(data)
        except ValueError:
            moment = None
        if moment is None or not 2000 <= moment.year <= 2100:
            self.fail("invalid")
        if isinstance(moment, datetime) and timezone.is_naive(moment):
            return moment.replace(tzinfo=UTC)
        return moment

    def to_representation(self, value: datetime | date) -> str:
        """Return the text again."""
        return value.isoformat()


class HistoryQuery(serializers.Serializer[Any]):
    """Which circuits, and which time in which steps. Without `from`, `to` and `resolution` it is the endpoint's own period."""

    device_id = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1, help_text="This device alone.")
    channel = serializers.IntegerField(required=False, min_value=0, max_value=MAX_CHANNEL, help_text="This channel alone.")
    resolution = serializers.ChoiceField(choices=list(RESOLUTIONS), required=False, help_text="Width of each step.")

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` can't be declared, since it is a word of the language."""
        since = MomentField(required=False, help_text="Start; a date is its local midnight.")
        until = MomentField(required=False, help_text="End, not included; a date includes that whole day.")
        return {**super().get_fields(), "from": since, "to": until}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add the window that the answer covers."""
        now, zone = timezone.now(), self.context["zone"]
        if not {"from", "to", "resolution"} & attrs.keys():
            return attrs | {"window": self.own_window(attrs, now, zone)}
        window = _asked_window(attrs, now, zone)
        if window.end <= window.start:
            raise serializers.ValidationError({"to": WRONG_END})
        if window.step_count() > MAX_STEPS:
            raise serializers.ValidationError(
                {"resolution": _("Son demasiados puntos; acorta el periodo o elige una resolución mayor.")}
            )
        return attrs | {"window": window}

    def own_window(self, attrs: dict[str, Any], now: datetime, zone: ZoneInfo) -> Window:
        """Return the window of the endpoint's own period: the last seven days."""
        return days_window(7, now, zone)


def _asked_window(attrs: dict[str, Any], now: datetime, zone: ZoneInfo) -> Window:
    resolution = attrs.get("resolution", "1d")
    end = instant(attrs.get("to", now), zone, end=True)
    start = instant(attrs["from"], zone) if "from" in attrs else end - timedelta(days=1 if resolution == "5m" else 7)
    return Window(floored(start, resolution, zone), end, resolution, zone)


class GraphQuery(HistoryQuery):
    """The same, with the app's periods."""

    period = serializers.ChoiceField(
        choices=list(PERIODS),
        default="daily",
        error_messages={"invalid_choice": WRONG_PERIOD},
        help_text="24 hours, 7 days or 30 days.",
    )

    def own_window(self, attrs: dict[str, Any], now: datetime, zone: ZoneInfo) -> Window:
        """Return the window of the period."""
        return period_window(attrs["period"], now, zone)


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
            raise serializers.ValidationError({"to": WRONG_END})
        if end - start > timedelta(days=_limit_days(resolution) + 1):
            raise serializers.ValidationError({"from": TOO_LONG}, "date_range")
        return attrs | {"window": Window(start, end, resolution, zone)}


def _limit_days(resolution: str) -> int:
    kept = {"raw": settings.TELEMETRY_RETENTION_DAYS, "5m": settings.TELEMETRY_BUCKET_RETENTION_DAYS}
    return int(kept.get(resolution, HOURS_LIMIT_DAYS))


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
            raise serializers.ValidationError({"to": WRONG_END})
        return {"start": start, "end": min(end, now)}


class PointSerializer(serializers.Serializer[Any]):
    """Energy of one step."""

    timestamp = serializers.DateTimeField(help_text="Start of the step, but noon of a whole day; local time with its offset.")
    date = serializers.DateField(help_text="The local day of the step.")
    value = serializers.FloatField(allow_null=True, help_text="kWh; null where there is no data, which is not the same as zero.")


class GraphSerializer(serializers.Serializer[Any]):
    """A graph of energy over time."""

    period = serializers.CharField(help_text="The period asked for, or custom.")
    unit = serializers.CharField()
    resolution = serializers.CharField()
    data_points = PointSerializer(many=True)


class DaysSerializer(serializers.Serializer[Any]):
    """Parallel arrays, oldest first; null where there is no data."""

    labels = serializers.ListField(
        child=serializers.DateTimeField(), help_text="Start of each step, but noon of a whole day; local time with its offset."
    )
    dates = serializers.ListField(child=serializers.DateField(), help_text="The local day of each step.")
    watts = serializers.ListField(child=serializers.FloatField(allow_null=True))
    volts = serializers.ListField(child=serializers.FloatField(allow_null=True))
    amps = serializers.ListField(child=serializers.FloatField(allow_null=True))
    kwh = serializers.ListField(child=serializers.FloatField(allow_null=True))
    resolution = serializers.CharField()


class DiscardedSerializer(serializers.Serializer[Any]):
    """What was discarded, in the home's time; the kWh are those that its totals lost."""

    readings = serializers.IntegerField()
    five_minutes = serializers.IntegerField(help_text="Periods of five minutes.")
    hours = serializers.IntegerField(help_text="Hours of which nothing is left.")
    kwh = serializers.FloatField()

    def get_fields(self) -> dict[str, Any]:
        """Return the fields, with the span."""
        return {"from": serializers.DateTimeField(), "to": serializers.DateTimeField(), **super().get_fields()}
