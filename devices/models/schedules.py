"""What relays do by the clock of their home."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from devices.models.commands import Command
from devices.models.devices import Channel, Device
from devices.validators import channel_validator

DAY_MINUTES = 1440
WEEKDAYS = (_("lunes"), _("martes"), _("miércoles"), _("jueves"), _("viernes"), _("sábado"), _("domingo"))
NEEDS_TIME = _("Un horario de encender o apagar lleva la hora y los días de la semana.")
NEEDS_MINUTES = _("Un horario de apagar después de un rato lleva los minutos, sin hora ni días.")
ESSENTIAL = _("Este circuito es esencial: ningún horario lo apaga.")
MINUTES = _("Los minutos van de 1 a 1440.")
# So that nobody fills the workers' time.
MOST_PER_DEVICE = 50
TOO_MANY = _("Este dispositivo ya tiene todos los horarios que caben (50). Elimina uno para agregar otro.")


class Schedule(models.Model):
    """Switches a relay on or off at a local time on chosen weekdays, or off once it has been on for some minutes."""

    class Action(models.TextChoices):
        ON = "on", _("encender")
        OFF = "off", _("apagar")
        OFF_AFTER = "off_after", _("apagar después de un rato encendido")

    class Skip(models.TextChoices):
        LATE = "late", _("Se omitió: habían pasado más de diez minutos de la hora.")
        INACTIVE = "inactive", _("Se omitió: el dispositivo estaba desactivado.")
        ESSENTIAL = "essential", _("Se detuvo: el circuito es esencial.")

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="schedules", verbose_name=_("dispositivo"))
    channel = models.PositiveSmallIntegerField(_("canal"), default=0, validators=[channel_validator])
    action = models.CharField(_("acción"), max_length=10, choices=Action)
    time = models.TimeField(_("hora"), null=True, blank=True, help_text=_("En la zona horaria del hogar."))
    # As ISO 8601 numbers them: Monday is 1.
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(choices=list(enumerate(WEEKDAYS, 1))), verbose_name=_("días"), default=list, blank=True
    )
    after_minutes = models.PositiveSmallIntegerField(
        _("minutos encendido"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1, MINUTES), MaxValueValidator(DAY_MINUTES, MINUTES)],
    )
    is_paused = models.BooleanField(_("en pausa"), default=False)
    # From when on minutes are counted: a relay that is on already when it is told so does not go off at once.
    since = models.DateTimeField(default=timezone.now, editable=False)
    # When it acts next: whoever moves it on does what was due. Null where nothing is due.
    next_at = models.DateTimeField(_("próxima vez"), null=True, editable=False)
    # Since when the relay was on as this was last due, so that it acts once for it.
    on_since = models.DateTimeField(null=True, editable=False)
    last_at = models.DateTimeField(_("última vez"), null=True, editable=False)
    last_skip = models.CharField(_("por qué se omitió"), max_length=10, choices=Skip, blank=True, editable=False)
    last_command = models.ForeignKey(
        Command, on_delete=models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("último comando")
    )

    class Meta:
        verbose_name = _("horario")
        verbose_name_plural = _("horarios")
        ordering = ["id"]
        indexes = [models.Index(fields=["next_at"], name="devices_schedule_due")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(action="off_after", after_minutes__isnull=False, time__isnull=True, weekdays=[])
                | models.Q(action__in=["on", "off"], after_minutes__isnull=True, time__isnull=False, weekdays__len__gt=0),
                name="devices_schedule_has_its_time",
            )
        ]

    def __str__(self) -> str:
        if self.time is None:
            return str(_("Apagar después de %(minutes)s min encendido")) % {"minutes": self.after_minutes}
        days = "" if len(self.weekdays) == len(WEEKDAYS) else ", ".join(str(WEEKDAYS[day - 1]) for day in self.weekdays)
        return f"{self.get_action_display()} {self.time:%H:%M} {days}".strip().capitalize()

    @property
    def switches_on(self) -> bool:
        return self.action == self.Action.ON

    @property
    def is_timed(self) -> bool:
        """Whether it acts at a time of day, and not after some minutes."""
        return self.action != self.Action.OFF_AFTER

    def clean(self) -> None:
        """Check that it has what its action takes, and may do it. Raises ValidationError, by field."""
        timed, minutes = (self.time is not None, bool(self.weekdays)), self.after_minutes is not None
        if self.is_timed and (timed != (True, True) or minutes):
            raise ValidationError({"time": NEEDS_TIME})
        if not self.is_timed and (any(timed) or not minutes):
            raise ValidationError({"after_minutes": NEEDS_MINUTES})
        if not self.is_paused and not self.switches_on and self.is_essential:
            raise ValidationError({"action": ESSENTIAL})
        if self.pk is None and Schedule.objects.filter(device=self.device_id).count() >= MOST_PER_DEVICE:
            raise ValidationError({"action": TOO_MANY})

    @property
    def is_essential(self) -> bool:
        """Whether its circuit must stay on (1 query)."""
        return Channel.objects.filter(device=self.device_id, number=self.channel, is_essential=True).exists()
