"""The meters of a home and their channels."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Home
from devices import shelly_models as shelly
from devices.querysets import DeviceQuerySet, DevicesInUse
from devices.validators import NAME_LENGTH_MAX, channel_validator, hardware_id_validator, mqtt_prefix_validators

IN_USE = _("Un hogar ya tiene este dispositivo.")


class Device(models.Model):
    """A Shelly meter that a home has claimed. Deactivated, its readings are refused and its history stays.

    Deleted, it is retired: its hardware may be claimed anew by anybody, and what it measured stays the home's. `objects` are the devices in
    use; who asks what a home has used looks at `with_retired`.
    """

    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="devices", verbose_name=_("hogar"))
    # As shelly.normalised_hardware_id writes it: a MAC is twelve hex digits in lower case.
    hardware_id = models.CharField(_("ID de hardware"), max_length=255, validators=[hardware_id_validator])
    name = models.CharField(_("nombre"), max_length=NAME_LENGTH_MAX)
    mqtt_prefix = models.CharField(
        _("prefijo MQTT"), max_length=100, default=shelly.DEFAULT_PREFIX, validators=mqtt_prefix_validators
    )
    brand = models.CharField(_("marca"), max_length=50, default=shelly.BRAND)
    # The prefix of the model's ids, as in shelly.MODELS; empty if it is not known.
    model = models.CharField(_("modelo"), max_length=50, default=shelly.DEFAULT_PREFIX, blank=True)
    # What somebody chose is not learnt from the device. The defaults stand in the database too, for processes that do not know the columns.
    is_prefix_chosen = models.BooleanField(default=False, db_default=False, editable=False)
    is_model_chosen = models.BooleanField(default=False, db_default=False, editable=False)
    # What the device itself has told: null and empty until it does. Its channels change with its profile.
    channel_numbers = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("canales"), null=True, blank=True, editable=False
    )
    firmware = models.CharField(_("firmware"), max_length=50, blank=True, default="", db_default="", editable=False)
    generation = models.PositiveSmallIntegerField(_("generación"), null=True, editable=False)
    identify_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)  # when it is asked next what it is
    is_active = models.BooleanField(_("activo"), default=True)
    is_main = models.BooleanField(
        _("mide toda la casa"),
        default=False,
        help_text=_("En cada hora que este medidor conoce, solo él cuenta para el total de la casa."),
    )
    installed_at = models.DateTimeField(_("instalado"), auto_now_add=True)
    # Written by devices.presence.presence alone. The default stands in the database too, for processes that do not know the column yet.
    is_online = models.BooleanField(_("en línea"), default=False, db_default=False, editable=False)
    last_seen_at = models.DateTimeField(_("visto por última vez"), null=True, editable=False)
    proven_at = models.DateTimeField(
        _("comprobado"),
        null=True,
        editable=False,
        help_text=_("Cuándo se comprobó que el dispositivo está con este hogar; hasta entonces, quien lo compruebe se lo queda."),
    )

    # Of devices.ownership.keys: what is kept of the device's key, and when a sender first presented it.
    key_digest = models.BinaryField(max_length=32, null=True, unique=True)
    key_used_at = models.DateTimeField(_("clave usada desde"), null=True, editable=False)
    requires_key = models.BooleanField(
        _("exige su clave"),
        default=False,
        db_default=False,
        help_text=_("Rechaza los mensajes que llegan sin la clave del dispositivo."),
    )

    retired_at = models.DateTimeField(
        _("retirado"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Cuándo lo eliminó su hogar, que conserva lo que midió."),
    )

    caller_role: str  # only where DeviceQuerySet.with_role_of read it
    owner_id: int | None  # only where DeviceQuerySet.with_owner read it

    objects = DevicesInUse()
    with_retired = DeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("dispositivo")
        verbose_name_plural = _("dispositivos")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(hardware_id=Lower("hardware_id")), name="devices_device_hardware_id_lower"),
            models.UniqueConstraint(
                fields=["hardware_id"],
                condition=models.Q(retired_at__isnull=True),
                name="devices_device_in_use",
                violation_error_message=IN_USE,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Normalise what staff typed, and check that no home has it: a form without `retired_at` passes the constraint over."""
        self.hardware_id = shelly.normalised_hardware_id(self.hardware_id)
        if self.retired_at is None and Device.objects.filter(hardware_id=self.hardware_id).exclude(pk=self.pk).exists():
            raise ValidationError({"hardware_id": IN_USE})


class RoleChange(models.Model):
    """When a device began or ceased to measure the whole house; `is_main` is what it does after the last one."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="role_changes", verbose_name=_("dispositivo"))
    at = models.DateTimeField(_("desde"), default=timezone.now)

    class Meta:
        verbose_name = _("cambio de papel")
        verbose_name_plural = _("cambios de papel: cuándo empezó o dejó de medir toda la casa")
        ordering = ["device_id", "at"]
        constraints = [models.UniqueConstraint(fields=["device", "at"], name="devices_rolechange_unique")]

    def __str__(self) -> str:
        return f"{self.device}: {self.at:%Y-%m-%d %H:%M}"


class Replacement(models.Model):
    """When other hardware took a device's place in its circuits: what one meter counted says nothing of what the next one does."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="replacements", verbose_name=_("dispositivo"))
    at = models.DateTimeField(_("desde"), default=timezone.now)
    old_hardware_id = models.CharField(_("ID de hardware anterior"), max_length=255)
    new_hardware_id = models.CharField(_("ID de hardware nuevo"), max_length=255)

    class Meta:
        verbose_name = _("reemplazo")
        verbose_name_plural = _("reemplazos")
        ordering = ["device_id", "at"]

    def __str__(self) -> str:
        return f"{self.device}: {self.at:%Y-%m-%d %H:%M}"


class Channel(models.Model):
    """A circuit of a device; a channel without a row bears the device's name, and nobody has said what hangs on it."""

    class Kind(models.TextChoices):
        REFRIGERATOR = "refrigerator", _("refrigerador o congelador")
        AIR_CONDITIONING = "air_conditioning", _("aire acondicionado")
        HEATING = "heating", _("calefacción")
        WATER_HEATER = "water_heater", _("calentador de agua")
        PUMP = "pump", _("bomba de agua")
        LIGHTS = "lights", _("iluminación")
        WASHING_MACHINE = "washing_machine", _("lavadora")
        DRYER = "dryer", _("secadora")
        COOKING = "cooking", _("estufa, horno o microondas")
        ELECTRONICS = "electronics", _("electrónicos")
        EV_CHARGER = "ev_charger", _("cargador de auto eléctrico")
        MEDICAL = "medical", _("equipo médico")
        SOLAR = "solar", _("paneles solares")
        MIXED = "mixed", _("circuito mixto")
        WHOLE_HOUSE = "whole_house", _("toda la casa")
        OTHER = "other", _("otro")

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="channels", verbose_name=_("dispositivo"))
    number = models.PositiveSmallIntegerField(_("canal"), validators=[channel_validator])
    name = models.CharField(_("nombre"), max_length=NAME_LENGTH_MAX)
    # The defaults of both stand in the database too, for processes that do not know the columns yet.
    kind = models.CharField(
        _("tipo"), max_length=20, choices=Kind, blank=True, default="", db_default="", help_text=_("Vacío si nadie lo ha dicho.")
    )
    is_essential = models.BooleanField(
        _("esencial"), default=False, db_default=False, help_text=_("Ningún horario ni límite lo apaga.")
    )

    class Meta:
        verbose_name = _("circuito")
        verbose_name_plural = _("circuitos")
        ordering = ["device_id", "number"]
        constraints = [models.UniqueConstraint(fields=["device", "number"], name="devices_channel_unique")]

    def __str__(self) -> str:
        return self.name

    def essential_as(self, kind: str) -> bool:
        """Return whether the circuit is essential once it is of another kind, where nobody says.

        It is by the kind, or if somebody said so of a kind that is not.
        """
        return kind in ESSENTIAL_KINDS or (self.is_essential and self.kind not in ESSENTIAL_KINDS)


# What must never be off by a machine's own doing.
ESSENTIAL_KINDS = frozenset({Channel.Kind.REFRIGERATOR, Channel.Kind.MEDICAL})
