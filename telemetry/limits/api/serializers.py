"""The wire form of limits and of what they would have done."""

from math import isnan
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from common.fields import sentences
from common.request_serializers import BodySerializer
from devices.api.serializers import FLAG
from devices.shelly_models import MAX_CHANNEL
from devices.validators import WRONG_CHANNEL
from telemetry.limits.exceptions import CircuitEssential
from telemetry.models import Limit

MOST_W, MOST_KWH = 30_000, 720
POWER = gettext_lazy("La potencia va de 1 a 30000 W.")
MINUTES = gettext_lazy("Los minutos van de 1 a 720.")
ENERGY = gettext_lazy("La energía al día va de 0.01 a 720 kWh.")
ONE_KIND = gettext_lazy(
    "Indica la potencia con sus minutos (power_w y minutes), o la energía al día (kwh_a_day): solo una de las dos."
)
FIGURES = ("power_w", "minutes", "kwh_a_day")


class NumberField(serializers.FloatField):
    """A number; `nan`, which compares with nothing, is none."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises ValidationError."""
        value = super().to_internal_value(data)
        if isnan(value):
            self.fail("invalid")
        return value


class FiguresSerializer(BodySerializer):
    """How much is too much: power for some minutes, or energy on a day; null is the same as missing."""

    power_w = NumberField(
        min_value=1, max_value=MOST_W, required=False, allow_null=True, error_messages=sentences(wrong=POWER), help_text="W."
    )
    minutes = serializers.IntegerField(
        min_value=1,
        max_value=720,
        required=False,
        allow_null=True,
        error_messages=sentences(wrong=MINUTES),
        help_text="For how long the power must be above `power_w`, in every reading.",
    )
    kwh_a_day = NumberField(
        min_value=0.01,
        max_value=MOST_KWH,
        required=False,
        allow_null=True,
        error_messages=sentences(wrong=ENERGY),
        help_text="kWh that the circuit may use on a day of the home's zone.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the limit is of one kind, with what is stored of it. Raises ValidationError."""
        attrs = {name: value for name, value in attrs.items() if value is not None}
        power_w, minutes, kwh_a_day = (attrs.get(name, getattr(self.instance, name, None)) for name in FIGURES)
        if (power_w is None) != (minutes is None) or (power_w is None) == (kwh_a_day is None):
            raise serializers.ValidationError({"power_w": ONE_KIND}, "one_kind")
        return attrs


class DryRunSerializer(FiguresSerializer):
    """A limit that need not be stored."""

    channel = serializers.IntegerField(
        min_value=0, max_value=MAX_CHANNEL, default=0, error_messages=sentences(wrong=WRONG_CHANNEL)
    )


class LimitChangeSerializer(FiguresSerializer):
    """What may be changed of a limit, but for its kind."""

    is_active = serializers.BooleanField(required=False, allow_null=True, error_messages=sentences(wrong=FLAG))


class LimitCreateSerializer(LimitChangeSerializer, DryRunSerializer):
    """A limit; unless it says otherwise, it is not active."""


class LimitSerializer(serializers.ModelSerializer[Limit]):
    """A limit of a circuit."""

    limit_id = serializers.IntegerField(source="id")
    power_w = serializers.FloatField(allow_null=True, help_text="W that the circuit may draw; null in a limit of energy.")
    minutes = serializers.IntegerField(allow_null=True, help_text="For how long it must draw more than that.")
    kwh_a_day = serializers.FloatField(allow_null=True, help_text="kWh that it may use on a local day; null in a limit of power.")
    passed_at = serializers.DateTimeField(allow_null=True, help_text="When it last switched the circuit off.")
    note = serializers.SerializerMethodField(help_text="Why an active limit does nothing, as a sentence; null where it works.")

    class Meta:
        model = Limit
        fields = ["limit_id", "channel", "power_w", "minutes", "kwh_a_day", "is_active", "passed_at", "note"]

    def get_note(self, limit: Limit) -> str | None:
        """Return why an active limit is not in force (LimitQuerySet.in_force)."""
        if limit.is_active and limit.is_essential:
            return str(CircuitEssential.sentence)
        if limit.is_active and not limit.device.is_active:
            return _("El dispositivo está desactivado: el límite no hace nada.")
        return None


class SwitchOffSerializer(serializers.Serializer[Any]):
    """When the circuit would have been switched off."""

    at = serializers.DateTimeField(help_text="For energy to five minutes.")
    since = serializers.DateTimeField(allow_null=True, help_text="The power was above the limit from here; null for energy.")
    until = serializers.DateTimeField(allow_null=True, help_text="The last reading in a row that was above it; null for energy.")
    mean_power_w = serializers.FloatField(allow_null=True, help_text="From `since` to `at`, W; null for energy.")
    kwh = serializers.FloatField(allow_null=True, help_text="Used on that local day by then; null for power.")


class DaySerializer(serializers.Serializer[Any]):
    """A local day of the circuit."""

    date = serializers.DateField()
    kwh = serializers.FloatField(allow_null=True, help_text="As far as it is known; null where nothing is.")
    known_share = serializers.FloatField(help_text="For which part of the day, 0 to 1, the limit could tell.")


class DryRunAnswerSerializer(serializers.Serializer[Any]):
    """What a limit would have done today and on the six days before."""

    known_share = serializers.FloatField(
        help_text="For which part of the time, 0 to 1, it could tell; elsewhere it would do nothing."
    )
    switch_offs = SwitchOffSerializer(many=True)
    days = DaySerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields, with the span."""
        return {
            "from": serializers.DateTimeField(source="start"),
            "to": serializers.DateTimeField(source="end"),
            **super().get_fields(),
        }
