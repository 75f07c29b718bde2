"""The API's names of schedules, and the shape of what callers send."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as ModelError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.fields import sentences
from common.request_serializers import BodySerializer
from devices.api.serializers import FLAG
from devices.models import Schedule
from devices.models.schedules import DAY_MINUTES, MINUTES
from devices.schedules.services import next_times
from devices.shelly_models import MAX_CHANNEL
from devices.validators import WRONG_CHANNEL

ACTION = _("La acción es on, off u off_after.")
TIME = _("La hora se escribe HH:MM, de 00:00 a 23:59.")
DAYS = _("Los días de la semana van de 1 (lunes) a 7 (domingo), sin repetirse.")
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]


class ScheduleChangeSerializer(BodySerializer):
    """What a schedule does and when; null and a missing field leave it as it is.

    Its context says the device of a new one; a change gives the old one as `instance`, and is `partial`.
    """

    channel = serializers.IntegerField(
        min_value=0, max_value=MAX_CHANNEL, default=0, error_messages=sentences(wrong=WRONG_CHANNEL)
    )
    action = serializers.ChoiceField(
        Schedule.Action.choices,
        error_messages=sentences(wrong=ACTION),
        help_text="`on` and `off` come at a time; `off_after` when the relay has been on for some minutes, whoever switched it.",
    )
    time = serializers.TimeField(
        input_formats=["%H:%M"], required=False, allow_null=True, error_messages=sentences(wrong=TIME), help_text="HH:MM, local."
    )
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=7, error_messages=sentences(wrong=DAYS)),
        required=False,
        allow_null=True,
        max_length=7,
        error_messages=sentences(wrong=DAYS) | {"not_a_list": DAYS},
        help_text="1 is Monday, 7 Sunday; every day where it is missing.",
    )
    after_minutes = serializers.IntegerField(
        min_value=1, max_value=DAY_MINUTES, required=False, allow_null=True, error_messages=sentences(wrong=MINUTES)
    )
    is_paused = serializers.BooleanField(default=False, error_messages=sentences(wrong=FLAG))

    def validate_weekdays(self, days: list[int] | None) -> list[int] | None:
        """Return them in order. Raises ValidationError if one comes twice."""
        if days is not None and len(set(days)) < len(days):
            raise serializers.ValidationError(DAYS, "invalid")
        return days and sorted(days)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the schedule as `schedule`: the old one, changed, or a new one. Raises ValidationError where it can't be."""
        schedule = self.instance or Schedule(device=self.context["device"])
        self._begin(schedule, attrs.get("action", schedule.action))
        for name, value in attrs.items():
            if value is not None:
                setattr(schedule, name, value)
        try:
            schedule.clean()
        except ModelError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        return {"schedule": schedule}

    def _begin(self, schedule: Schedule, action: str) -> None:
        """Take from a schedule what its new action has no use for."""
        is_timed = action != Schedule.Action.OFF_AFTER
        schedule.weekdays = (schedule.weekdays or EVERY_DAY) if is_timed else []
        schedule.time, schedule.after_minutes = (schedule.time, None) if is_timed else (None, schedule.after_minutes)


class LastOccurrenceSerializer(serializers.Serializer[Schedule]):
    """What happened when a schedule was due last."""

    at = serializers.DateTimeField(source="last_at", help_text="When it was due.")
    outcome = serializers.SerializerMethodField()
    message = serializers.SerializerMethodField(help_text="A sentence for the user where it was not done.")
    command_id = serializers.IntegerField(source="last_command_id", allow_null=True)

    def get_outcome(self, schedule: Schedule) -> str | None:
        """Return `late`, `inactive` or `essential` where it was skipped, else the `status` of the command; null if that is lost."""
        return schedule.last_skip or (schedule.last_command.state if schedule.last_command else None)

    def get_message(self, schedule: Schedule) -> str | None:
        """Return why it was skipped, else the command's error."""
        if schedule.last_skip:
            return schedule.get_last_skip_display()
        return (schedule.last_command.error if schedule.last_command else "") or None


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """A schedule, when it acts next, and what came of it last."""

    schedule_id = serializers.IntegerField(source="id")
    time = serializers.TimeField(format="%H:%M", allow_null=True, help_text="HH:MM in the home's zone.")
    weekdays = serializers.ListField(child=serializers.IntegerField(), help_text="1 is Monday, 7 Sunday.")
    next_times = serializers.SerializerMethodField(
        help_text="The next three; none while it is paused or its device deactivated, one at most where it waits for minutes on."
    )
    last = serializers.SerializerMethodField(help_text="Null until it was due.")

    class Meta:
        model = Schedule
        fields = [
            *("schedule_id", "channel", "action", "time", "weekdays", "after_minutes", "is_paused"),
            *("next_times", "last"),
        ]

    def get_next_times(self, schedule: Schedule) -> list[datetime]:
        """Return them with the home's offset."""
        return next_times(schedule, now=timezone.now())

    @extend_schema_field(LastOccurrenceSerializer(allow_null=True))
    def get_last(self, schedule: Schedule) -> Any:
        """Return what happened."""
        return LastOccurrenceSerializer(schedule).data if schedule.last_at else None
