"""Limits of circuits."""

from datetime import datetime
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from devices.models import Channel, Device, RelayState
from devices.validators import channel_validator


class LimitQuerySet(models.QuerySet["Limit"]):
    """Limits in domain words."""

    def with_circuit(self) -> Self:
        """Add what the limit's circuit is now: `is_essential`, and `on_since`, None where its relay is off or not known."""
        channels = Channel.objects.filter(device=models.OuterRef("device"), number=models.OuterRef("channel"))
        relays = RelayState.objects.filter(device=models.OuterRef("device"), channel=models.OuterRef("channel"), is_on=True)
        essential = models.Exists(channels.filter(is_essential=True))
        return self.annotate(is_essential=essential, on_since=models.Subquery(relays.values("since")))

    def in_force(self) -> Self:
        """Keep those that switch off: active ones, of devices that are monitored, on circuits that are not essential."""
        devices = Device.objects.filter(is_active=True)
        return self.with_circuit().filter(is_active=True, is_essential=False, device__in=devices)


class Limit(models.Model):
    """When to switch a circuit off: it draws more than `power_w` for `minutes`, or has used `kwh_a_day` on the home's local day.

    It does so once. One of power does it again once the power has been lower or the circuit was switched on, one of energy on another day.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="limits", verbose_name=_("dispositivo"))
    channel = models.PositiveSmallIntegerField(_("canal"), validators=[channel_validator])
    power_w = models.FloatField(_("potencia máxima, W"), null=True)
    minutes = models.PositiveSmallIntegerField(_("durante, minutos"), null=True)
    kwh_a_day = models.FloatField(_("máximo al día, kWh"), null=True)
    is_active = models.BooleanField(_("activo"), default=False)
    # When it last switched off, by the clock of the readings; compared and set, so that of several processes one does it.
    passed_at = models.DateTimeField(_("rebasado por última vez"), null=True, editable=False)

    is_essential: bool  # only where LimitQuerySet.with_circuit read it
    on_since: datetime | None  # as above

    objects = LimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("límite")
        verbose_name_plural = _("límites")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(power_w__isnull=False, minutes__isnull=False, kwh_a_day=None)
                | models.Q(power_w=None, minutes=None, kwh_a_day__isnull=False),
                name="telemetry_limit_of_one_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kwh_a_day:g} kWh" if self.kwh_a_day is not None else f"{self.power_w:g} W, {self.minutes} min"
