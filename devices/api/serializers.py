"""The wire's names of a device, and the shape of what callers send."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.fields import TextField, sentences
from common.request_serializers import BodySerializer
from devices.circuits import CircuitChange
from devices.discovery import UnprovenDevice
from devices.models import Channel, Device, DeviceEvent
from devices.selectors import last_seen
from devices.shelly_models import DEFAULT_PREFIX, MAX_CHANNEL, displayed_hardware_id, is_mac, normalised_hardware_id
from devices.validators import NAME_LENGTH_MAX, WRONG_CHANNEL, hardware_id_validator, mqtt_prefix_validators

NAME = _("El nombre debe tener de 1 a 100 caracteres.")
KIND = _("Ese tipo de circuito no existe.")
FLAG = _("Debe ser verdadero o falso (true o false).")
WRONG_MAC = _("La MAC tiene doce dígitos hexadecimales.")
SWITCH_REQUEST = _(
    "Cambia el dispositivo de estado %(count)s veces, de encendido a apagado o al revés, y espera 15 segundos entre una y otra."
)

SHORT_ID = _("El ID de hardware debe tener al menos 12 caracteres.")


class DeviceNameField(TextField):
    """What people call a device or a circuit: "TV", "1"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=NAME_LENGTH_MAX, error_messages=sentences(wrong=NAME), **options)


class ChannelSerializer(serializers.ModelSerializer[Channel]):
    """A circuit."""

    kind = serializers.ChoiceField(
        Channel.Kind.choices, allow_blank=True, help_text="What hangs on it; empty if nobody has said."
    )
    is_essential = serializers.BooleanField(help_text="No schedule and no limit ever switches it off.")

    class Meta:
        model = Channel
        fields = ["number", "name", "kind", "is_essential"]


class ChannelChangeSerializer(BodySerializer):
    """What is said of a circuit; null and a missing field leave it as it is."""

    number = serializers.IntegerField(min_value=0, max_value=MAX_CHANNEL, error_messages=sentences(wrong=WRONG_CHANNEL))
    name = DeviceNameField(required=False, allow_null=True)
    kind = serializers.ChoiceField(
        Channel.Kind.choices,
        required=False,
        allow_null=True,
        allow_blank=True,
        error_messages=sentences(wrong=KIND),
        help_text="What hangs on it; empty takes back what was said.",
    )
    is_essential = serializers.BooleanField(
        required=False,
        allow_null=True,
        error_messages=sentences(wrong=FLAG),
        help_text="No schedule and no limit switches it off. A refrigerator or medical equipment is essential unless this says no.",
    )


class DeviceSerializer(serializers.ModelSerializer[Device]):
    """A device as the app reads it. It needs the annotation `owner_id`; a home without an owner shows its reader."""

    dev_id = serializers.IntegerField(source="id")
    dev_user_id = serializers.SerializerMethodField()
    dev_hardware_id = serializers.SerializerMethodField()
    dev_name = serializers.CharField(source="name")
    dev_mqtt_prefix = serializers.CharField(source="mqtt_prefix")
    dev_status = serializers.BooleanField(source="is_active", help_text="Whether readings are accepted.")
    dev_brand = serializers.CharField(source="brand")
    dev_model = serializers.CharField(source="model", help_text="Prefix of the Shelly's id; empty if unknown.")
    dev_firmware = serializers.CharField(source="firmware", help_text="Version, as the device told it; empty if it has not.")
    dev_generation = serializers.IntegerField(
        source="generation", allow_null=True, help_text="2 to 4; null if it has not told it."
    )
    dev_installed = serializers.DateTimeField(source="installed_at")
    dev_online = serializers.BooleanField(source="is_online", help_text="Whether the device is there.")
    dev_last_seen = serializers.SerializerMethodField(help_text="When it last gave a sign of life; null if it never has.")
    dev_proven = serializers.SerializerMethodField(
        help_text="Whether the home has shown that the device is its own; until then whoever shows it gets the device."
    )
    dev_key_used = serializers.DateTimeField(
        source="key_used_at", allow_null=True, help_text="When a message first came with the device's key; null if none has."
    )
    dev_key_required = serializers.SerializerMethodField(help_text="Whether messages without the key are refused.")
    is_main = serializers.BooleanField(
        help_text="Measures the whole house: of each hour that it knows, the home's total is its alone."
    )
    channels = ChannelSerializer(many=True)

    class Meta:
        model = Device
        fields = [
            *("dev_id", "dev_user_id", "dev_hardware_id", "dev_name", "dev_mqtt_prefix", "dev_status"),
            *("dev_brand", "dev_model", "dev_firmware", "dev_generation", "dev_installed"),
            *("dev_online", "dev_last_seen", "dev_proven", "dev_key_used", "dev_key_required", "is_main", "channels"),
        ]

    def get_dev_user_id(self, device: Device) -> int:
        """Return the id of the home's owner."""
        return device.owner_id or int(self.context["request"].user.pk)

    def get_dev_hardware_id(self, device: Device) -> str:
        """Return the MAC in capitals without separators, or another id as it is stored."""
        return displayed_hardware_id(device.hardware_id)

    def get_dev_proven(self, device: Device) -> bool:
        """Return whether it was proven."""
        return device.proven_at is not None

    def get_dev_key_required(self, device: Device) -> bool:
        """Return whether the device requires it, or the whole installation."""
        return device.requires_key or bool(settings.DEVICE_KEYS_REQUIRED)

    def get_dev_last_seen(self, device: Device) -> datetime | None:
        """Return the later of the database's time and Redis' (`seen_at` of the context, by id)."""
        return last_seen(device, self.context["seen_at"])


class DeviceWithKeySerializer(DeviceSerializer):
    """A device whose key was made now (`key` of the context): the one time that it is shown."""

    dev_key = serializers.SerializerMethodField(
        help_text="The device's own key, for `X-Device-Key`. Shown this once: only a digest of it is kept."
    )

    class Meta(DeviceSerializer.Meta):
        fields = [*DeviceSerializer.Meta.fields, "dev_key"]

    def get_dev_key(self, device: Device) -> str:
        """Return the key."""
        return str(self.context["key"])


class KeyRuleSerializer(BodySerializer):
    """Whether messages without the device's key are refused."""

    required = serializers.BooleanField(error_messages=sentences(wrong=FLAG))  # type: ignore[assignment]


class CallSerializer(serializers.Serializer[Any]):
    """An RPC request for the device."""

    method = serializers.CharField()
    params = serializers.DictField()


class WaySerializer(serializers.Serializer[Any]):
    """One way of reporting, as `calls` set it up, or somebody with the Shelly's own page open."""

    way = serializers.CharField(help_text="`websocket`, `mqtt` or `script`.")
    title = serializers.CharField()
    menu = serializers.CharField(help_text="Where in the Shelly's own page.")
    is_available = serializers.BooleanField(help_text="Whether this installation hears the device that way.")
    entries = serializers.DictField(child=serializers.CharField(allow_blank=True), help_text="What to enter there, by its label.")
    calls = CallSerializer(
        many=True, help_text="Requests that do the same, in order. A Shelly without scripts calls its first one 1."
    )
    script = serializers.CharField(allow_null=True, help_text="What to paste as a script; null where there is none.")


class SetupSerializer(serializers.Serializer[Any]):
    """How to let a Shelly report here, the easiest way first."""

    dev_id = serializers.IntegerField()
    dev_key = serializers.CharField(
        allow_null=True, help_text="The new key; null where none was made, and placeholders stand for it."
    )
    ways = WaySerializer(many=True)


class MacField(serializers.CharField):
    """A MAC in any spelling, or a Shelly's full id; the value is the MAC as it is stored."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the MAC. Raises ValidationError."""
        mac = normalised_hardware_id(super().to_internal_value(data))
        if not is_mac(mac):
            raise serializers.ValidationError(WRONG_MAC)
        return mac


class NearbyQuerySerializer(serializers.Serializer[Any]):
    """Which unknown device is looked for."""

    mac = MacField(required=False, help_text="In any spelling, or the Shelly's full id.")


class NearbySerializer(serializers.Serializer[Any]):
    """An unknown device that spoke within the hour."""

    dev_hardware_id = serializers.SerializerMethodField()
    dev_model = serializers.CharField(source="model", help_text="Prefix of the Shelly's id; empty if unknown.")
    power_w = serializers.FloatField(allow_null=True, help_text="Last power of all its channels, W.")
    last_seen = serializers.SerializerMethodField()

    def get_dev_hardware_id(self, device: UnprovenDevice) -> str:
        """Return the MAC in capitals."""
        return displayed_hardware_id(device.mac)

    def get_last_seen(self, device: UnprovenDevice) -> datetime:
        """Return the time of its last message."""
        return datetime.fromtimestamp(device.seen, UTC)


class DeviceToProveSerializer(BodySerializer):
    """Which device."""

    dev_hardware_id = MacField(help_text="The MAC in any spelling, or the Shelly's full id.")


class ProofSerializer(serializers.Serializer[Any]):
    """What is asked of the caller, and what has been seen of it."""

    dev_hardware_id = serializers.CharField()
    is_proven = serializers.BooleanField(help_text="Registered now, the device would be the home's beyond doubt, or is already.")
    switchings = serializers.IntegerField(allow_null=True, help_text="How often to switch it; null where it was not asked for.")
    switchings_seen = serializers.IntegerField()
    until = serializers.DateTimeField(allow_null=True)
    message = serializers.CharField(allow_null=True, help_text="The request as a sentence for the user.")


class DeviceChangeSerializer(BodySerializer):
    """What may be changed; null and a missing field leave it as it is."""

    dev_name = DeviceNameField(source="name", required=False, allow_null=True)
    dev_mqtt_prefix = serializers.CharField(
        source="mqtt_prefix",
        max_length=100,
        required=False,
        allow_null=True,
        allow_blank=True,
        validators=mqtt_prefix_validators,
        help_text=(
            "Topic prefix without the MAC, with two slashes at most. "
            f"At registration `{DEFAULT_PREFIX}` by default; null changes nothing later."
        ),
    )
    is_main = serializers.BooleanField(required=False, allow_null=True, error_messages=sentences(wrong=FLAG))
    # Not with `many`, which lets the items be null where the list may be.
    channels: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=ChannelChangeSerializer(), required=False, allow_null=True
    )

    def validate_channels(self, rows: list[dict[str, Any]] | None) -> dict[int, CircuitChange] | None:
        """Return what is said of the circuits, by channel number. Raises ValidationError if a number comes twice."""
        circuits = {row.pop("number"): CircuitChange(**row) for row in rows or []}
        if len(circuits) < len(rows or []):
            raise serializers.ValidationError(_("Cada número de canal puede aparecer una sola vez."))
        return circuits or None

    def changes(self) -> dict[str, Any]:
        """Return the valid values by the names of the services' parameters, without what is null."""
        data = dict(self.validated_data)
        data["circuits"] = data.pop("channels", None)
        return {name: value for name, value in data.items() if value is not None}


class HardwareIdField(serializers.CharField):
    """The id of a device that is to be a home's, in any spelling."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_length=12,
            max_length=255,
            error_messages={"min_length": SHORT_ID},
            validators=[hardware_id_validator],
            help_text="The MAC, with or without separators, or the Shelly's full id (`shellypro4pm-34987ae4d353`).",
            **options,
        )


class DeviceReplaceSerializer(BodySerializer):
    """Which hardware takes the device's place."""

    dev_hardware_id = HardwareIdField(source="hardware_id")


class DeviceRegisterSerializer(DeviceChangeSerializer):
    """What registration takes: an id and a name, and what else may be set."""

    dev_hardware_id = HardwareIdField(source="hardware_id")
    dev_name = DeviceNameField(source="name")


class EventSerializer(serializers.ModelSerializer[DeviceEvent]):
    """Something that happened to a device."""

    event_id = serializers.IntegerField(source="id")
    title = serializers.CharField(source="get_kind_display", help_text="The kind, for the user.")
    channel = serializers.IntegerField(allow_null=True, help_text="Null where it concerns the whole device.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null while it lasts; what happens at one moment ends at it.")
    details = serializers.DictField(help_text="Its figures, with their units in their names.")

    class Meta:
        model = DeviceEvent
        fields = ["event_id", "kind", "title", "channel", "at", "ended_at", "details"]


class EventPageSerializer(serializers.Serializer[Any]):
    """A page of events, newest first."""

    events = EventSerializer(source="rows", many=True)
    next = serializers.CharField(allow_null=True, help_text="`before` of the next page; null on the last.")
