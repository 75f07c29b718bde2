"""What devices have to tell their households."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from devices.models.devices import Device
from devices.validators import channel_validator


class EventKind(models.TextChoices):
    """What may happen to a device."""

    OVERPOWER = "overpower", _("potencia excesiva")
    OVERVOLTAGE = "overvoltage", _("voltaje alto")
    UNDERVOLTAGE = "undervoltage", _("voltaje bajo")
    OVERCURRENT = "overcurrent", _("corriente excesiva")
    OVERTEMPERATURE = "overtemperature", _("temperatura excesiva")
    METER_FAILED = "meter_failed", _("el medidor falla")
    RESTART_REQUIRED = "restart_required", _("necesita reiniciarse")
    SCHEDULE_SKIPPED = "schedule_skipped", _("horario omitido")
    LIMIT_PASSED = "limit_passed", _("límite rebasado")
    LIMIT_UNDONE = "limit_undone", _("límite rebasado sin poder apagar")
    REPLACED = "replaced", _("dispositivo reemplazado")
    MODEL_LEARNT = "model_learnt", _("modelo reconocido")


# What a device is in from one moment to another; all else happens at one.
LASTING = frozenset(
    {
        EventKind.OVERPOWER,
        EventKind.OVERVOLTAGE,
        EventKind.UNDERVOLTAGE,
        EventKind.OVERCURRENT,
        EventKind.OVERTEMPERATURE,
        EventKind.METER_FAILED,
        EventKind.RESTART_REQUIRED,
    }
)


class DeviceEvent(models.Model):
    """Something that happened to a device, or to one of its channels, from `at` until `ended_at`, which is null while it lasts."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="events", verbose_name=_("dispositivo"))
    channel = models.PositiveSmallIntegerField(_("canal"), null=True, validators=[channel_validator])
    kind = models.CharField(_("qué pasó"), max_length=20, choices=EventKind)
    at = models.DateTimeField(_("cuándo"), default=timezone.now)
    ended_at = models.DateTimeField(_("hasta"), null=True, help_text=_("Vacío mientras dura."))
    # Figures with their units in their names (`power_w`, `late_s`), and what else the sentence about it needs.
    details = models.JSONField(_("detalles"), default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("suceso")
        verbose_name_plural = _("sucesos")
        ordering = ["-id"]
        indexes = [models.Index(fields=["device", "-id"], name="devices_event_history")]
        constraints = [
            models.UniqueConstraint(
                fields=["device", "channel", "kind", "at"],
                condition=models.Q(ended_at=models.F("at")),
                nulls_distinct=False,
                name="devices_event_once_at_its_moment",
            ),
            models.UniqueConstraint(
                fields=["device", "channel", "kind"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name="devices_event_once_while_it_lasts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device}: {self.get_kind_display()}"
