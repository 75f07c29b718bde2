"""What relays are."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from devices.models.devices import Device
from devices.validators import channel_validator


class RelayState(models.Model):
    """Whether a device's relay is on, and since when, whoever switched it; written by devices.control.relays alone.

    A channel without a row has no relay, or its device has not said yet.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="relay_states", verbose_name=_("dispositivo"))
    channel = models.PositiveSmallIntegerField(_("canal"), validators=[channel_validator])
    is_on = models.BooleanField(_("encendido"))
    # By the device's own clock where it is right.
    since = models.DateTimeField(_("desde cuándo"))

    class Meta:
        verbose_name = _("estado de un interruptor")
        verbose_name_plural = _("estados de los interruptores")
        ordering = ["device_id", "channel"]
        constraints = [models.UniqueConstraint(fields=["device", "channel"], name="devices_relaystate_unique")]

    def __str__(self) -> str:
        return f"{self.device}: {self.channel}"
