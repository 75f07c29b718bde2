"""What a hardware id, a topic prefix and a channel number may look like; for the API and the admin alike."""

from django.core.validators import MaxValueValidator, RegexValidator
from django.utils.translation import gettext_lazy as _

from devices.shelly_models import MAX_CHANNEL

# Of a device and of a circuit.
NAME_LENGTH_MAX = 100
# Ingest subscribes to a prefix of each length: a wildcard for any number of levels may only stand at a topic's end.
MAX_PREFIX_LEVELS = 3

hardware_id_validator = RegexValidator(
    r"^(?=.*[0-9A-Za-z])[ -~]+\Z", _("El ID de hardware solo lleva letras sin acento, números y signos comunes.")
)
# `+` and `#` are MQTT's wildcards, and topics that begin with `$` belong to the broker.
mqtt_prefix_validator = RegexValidator(
    r"^[^$+#\s\x00-\x1f][^+#\x00-\x1f]*\Z",
    _("El prefijo MQTT no puede empezar con «$» ni llevar «+», «#» o caracteres de control."),
)
WRONG_CHANNEL = _("El número de canal va de 0 a 31.")
channel_validator = MaxValueValidator(MAX_CHANNEL, WRONG_CHANNEL)
mqtt_prefix_levels_validator = RegexValidator(
    rf"^[^/]*(/[^/]*){{0,{MAX_PREFIX_LEVELS - 1}}}\Z", _("El prefijo MQTT admite dos diagonales como máximo.")
)
mqtt_prefix_validators = [mqtt_prefix_validator, mqtt_prefix_levels_validator]
