"""The API's names of commands and relays, and the shape of what callers send."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.fields import sentences
from common.request_serializers import BodySerializer
from devices.api.serializers import FLAG
from devices.models import Command
from devices.shelly_models import MAX_CHANNEL
from devices.validators import WRONG_CHANNEL

DAY_S = 86_400
KEEP = _("Los segundos que se conserva el comando van de 1 a 86400.")


class ChannelOptionSerializer(BodySerializer):
    """Which relay of the device."""

    channel = serializers.IntegerField(
        min_value=0, max_value=MAX_CHANNEL, default=0, error_messages=sentences(wrong=WRONG_CHANNEL)
    )


class OrderSerializer(ChannelOptionSerializer):
    """Which relay, and whether the command is kept for a device that is away."""

    keep_for = serializers.IntegerField(
        min_value=1,
        max_value=DAY_S,
        allow_null=True,
        default=None,
        error_messages=sentences(wrong=KEEP),
        help_text="Seconds, a day at most, that the command waits for a device that does not answer; null: it does not.",
    )


class SetSerializer(OrderSerializer):
    """What the relay shall be."""

    state = serializers.BooleanField(error_messages=sentences(wrong=FLAG), help_text="On or off.")


class CommandSerializer(serializers.ModelSerializer[Command]):
    """A command and what came of it."""

    command_id = serializers.IntegerField(source="id")
    user_name = serializers.CharField(source="user.name", allow_null=True, default=None)
    cause = serializers.ChoiceField(
        choices=Command.Cause.choices, help_text="Who or what gave it; `user_name` says which person."
    )
    schedule_id = serializers.IntegerField(allow_null=True, help_text="Which schedule gave it; null once that is deleted.")
    status = serializers.ChoiceField(source="state", choices=Command.State.choices)
    answer_ms = serializers.IntegerField(allow_null=True, help_text="How long the device took to answer.")
    error = serializers.CharField(allow_null=True, help_text="Why it was not done, as a sentence for the user.")

    class Meta:
        model = Command
        fields = [
            *("command_id", "channel", "method", "on", "status", "cause", "schedule_id", "user_name", "created_at", "ended_at"),
            *("was_on", "new_state", "answer_ms", "error", "expires_at"),
        ]


class RelayStatusSerializer(serializers.Serializer[Any]):
    """What the relay is, in the device's own words."""

    success = serializers.BooleanField()
    device_name = serializers.CharField()
    status = serializers.DictField(help_text="`Switch.GetStatus` of the device: `id`, `output`, `apower`, `voltage`, `current` …")
    error = serializers.CharField(allow_null=True)


class CommandAnswerSerializer(serializers.Serializer[Any]):
    """What came of a command."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    device_name = serializers.CharField()
    method = serializers.CharField(help_text="`Switch.Set` or `Switch.Toggle`.")
    was_on = serializers.BooleanField(allow_null=True)
    new_state = serializers.BooleanField(allow_null=True)
    action = serializers.CharField(allow_null=True, help_text="`encendido` or `apagado`.")
    error = serializers.CharField(allow_null=True)
    command_id = serializers.IntegerField()
    kept_until = serializers.DateTimeField(allow_null=True)


class CommandPageSerializer(serializers.Serializer[Any]):
    """A page of commands, newest first."""

    commands = CommandSerializer(source="rows", many=True)
    next = serializers.CharField(allow_null=True, help_text="`before` of the next page; null on the last.")
