"""Readings and the buckets computed from them. Their tables are made in SQL (partitions); nothing points at them by foreign key."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from devices.models import Device


class Reading(models.Model):
    """What a channel measured at one time. Partitioned by day; storing the same one twice is harmless."""

    pk = models.CompositePrimaryKey("device_id", "channel", "time")
    time = models.DateTimeField()
    # The device's own counters, Wh; returned_wh is null where it is zero or absent, which saves its eight bytes.
    energy_wh = models.FloatField(null=True)
    returned_wh = models.FloatField(null=True)
    device_id = models.IntegerField()
    power_w = models.FloatField()
    voltage_v = models.FloatField(null=True)
    current_a = models.FloatField(null=True)
    channel = models.SmallIntegerField()

    class Meta:
        db_table = "telemetry_reading"


class Bucket(models.Model):
    """What a channel used in [start, start + width): energy by counter or power, and how well it is known."""

    pk = models.CompositePrimaryKey("device_id", "channel", "start")
    start = models.DateTimeField()
    # Energy drawn, Wh: seen while it flowed, or known from a counter that moved across a gap. Their sum is what was used.
    measured_wh = models.FloatField()
    recovered_wh = models.FloatField()
    returned_wh = models.FloatField()
    device_id = models.IntegerField()
    covered_s = models.FloatField()
    samples = models.IntegerField()
    power_min_w = models.FloatField(null=True)
    power_mean_w = models.FloatField(null=True)
    power_max_w = models.FloatField(null=True)
    voltage_v = models.FloatField(null=True)
    current_a = models.FloatField(null=True)
    channel = models.SmallIntegerField()
    flags = models.SmallIntegerField(default=0)  # columns.Flag

    class Meta:
        abstract = True


class FiveMinutes(Bucket):
    """Buckets of five minutes, kept for 13 months. Partitioned by month."""

    class Meta:
        db_table = "telemetry_bucket_5m"


class Hour(Bucket):
    """Buckets of one hour, kept for ever."""

    class Meta:
        db_table = "telemetry_bucket_1h"


class Series(models.Model):
    """A channel that has ever been read, and the first and last of its rolled-up readings that carried a counter.

    What another kind of component measures on the channel is a series of its own, under a number above all channels (component_kinds.py).
    """

    pk = models.CompositePrimaryKey("device_id", "channel")
    device_id = models.IntegerField()
    channel = models.SmallIntegerField()
    counter_first = models.DateTimeField(null=True)
    counter_last = models.DateTimeField(null=True)
    fell = models.DateTimeField(null=True)  # the last of these counters that was lower than the one before it
    kind = models.SmallIntegerField(
        db_default=0
    )  # of the channel's usual component, or of the other one; see component_kinds.Kind

    class Meta:
        verbose_name_plural = "series"


class LateSpan(models.Model):
    """Times at which readings were stored too late for the regular roll-up; it takes them from here."""

    device_id = models.IntegerField()
    channel = models.SmallIntegerField()
    from_time = models.DateTimeField()
    to_time = models.DateTimeField()


class DiscardedSpan(models.Model):
    """A span of a device's readings that an owner has discarded: what it used then is unknown, whatever its counter says afterwards.

    The energy is what the home's totals lost by it.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+", verbose_name=_("dispositivo"))
    start = models.DateTimeField(_("desde"))
    end = models.DateTimeField(_("hasta"))
    discarded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("quién")
    )
    discarded_at = models.DateTimeField(_("cuándo"), auto_now_add=True)
    readings = models.IntegerField(_("lecturas"))
    five_minutes = models.IntegerField(_("periodos de cinco minutos"))
    hours = models.IntegerField(_("horas"))
    energy_wh = models.FloatField(_("energía, Wh"))

    class Meta:
        verbose_name = _("lecturas descartadas")
        verbose_name_plural = _("lecturas descartadas")
        ordering = ["-discarded_at"]
        indexes = [models.Index(fields=["device", "start"], name="telemetry_discarded_span")]
        constraints = [models.CheckConstraint(condition=models.Q(start__lt=models.F("end")), name="telemetry_discarded_order")]

    def __str__(self) -> str:
        return f"{self.device}: {self.start:%Y-%m-%d %H:%M} – {self.end:%Y-%m-%d %H:%M}"


class RollupState(models.Model):
    """How far the roll-up has come: every reading stored before `through` is in its buckets (one row)."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    through = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="telemetry_rollupstate_single")]
