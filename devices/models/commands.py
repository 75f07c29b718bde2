"""What relays are told."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from devices.models.devices import Device
from devices.validators import channel_validator


class Command(models.Model):
    """What somebody, or something, told a device's relay to do, and what came of it.

    One that is kept waits for a device that is away, until `expires_at`.
    """

    class State(models.TextChoices):
        UNDER_WAY = "under_way", _("en curso")
        WAITING = "waiting", _("en espera del dispositivo")
        DONE = "done", _("hecho")
        FAILED = "failed", _("falló")
        CANCELLED = "cancelled", _("cancelado")
        EXPIRED = "expired", _("venció")

    class Method(models.TextChoices):
        SET = "Switch.Set", _("encender o apagar")
        TOGGLE = "Switch.Toggle", _("alternar")

    class Cause(models.TextChoices):
        USER = "user", _("una persona")
        SCHEDULE = "schedule", _("un horario")
        LIMIT = "limit", _("un límite")

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="commands", verbose_name=_("dispositivo"))
    channel = models.PositiveSmallIntegerField(_("canal"), validators=[channel_validator])
    method = models.CharField(_("orden"), max_length=20, choices=Method)
    on = models.BooleanField(_("encender"), null=True, help_text=_("Vacío para alternar."))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("quién")
    )
    # The default stands in the database too, for processes that do not know the column yet.
    cause = models.CharField(_("causa"), max_length=10, choices=Cause, default=Cause.USER, db_default=Cause.USER)
    schedule = models.ForeignKey(
        "devices.Schedule", on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("horario")
    )
    state = models.CharField(_("estado"), max_length=10, choices=State, default=State.UNDER_WAY)
    created_at = models.DateTimeField(_("cuándo"), default=timezone.now)
    # When it was last handed to the device: a process that died in the middle leaves it under way.
    sent_at = models.DateTimeField(_("enviado"), null=True)
    expires_at = models.DateTimeField(_("se conserva hasta"), null=True)
    ended_at = models.DateTimeField(_("terminado"), null=True)
    was_on = models.BooleanField(_("estaba encendido"), null=True)
    answer_ms = models.PositiveIntegerField(_("respuesta en ms"), null=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("comando")
        verbose_name_plural = _("comandos")
        ordering = ["-id"]
        indexes = [models.Index(fields=["device", "-id"], name="devices_command_history")]
        constraints = [
            # Repeated while it is under way or waits, a command is the same one.
            models.UniqueConstraint(
                fields=["device", "channel", "method", "on"],
                condition=models.Q(state__in=["under_way", "waiting"]),
                nulls_distinct=False,
                name="devices_command_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device}: {self.get_method_display()}"

    @property
    def new_state(self) -> bool | None:
        """What the relay is after it; None where nobody knows."""
        if self.state != self.State.DONE:
            return None
        return self.on if self.method == self.Method.SET else None if self.was_on is None else not self.was_on
