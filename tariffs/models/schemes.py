"""States' schemes: what an agreement changes of a tariff."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _

from accounts.cfe_tariffs import LOCALITY_TARIFFS
from accounts.models import Contract
from tariffs.models.prices import SEASONS, TIERS, point
from tariffs.querysets import SchemeQuerySet


class Scheme(models.Model):
    """The summer and the tiers that a state's homes have in a tariff, from a date until the day before another."""

    state = models.CharField(_("estado"), max_length=3, choices=Contract.State.choices)
    tariff = models.CharField(_("tarifa"), max_length=3, choices=[(each, each) for each in LOCALITY_TARIFFS])
    start = models.DateField(_("vigente desde"))
    end = models.DateField(
        _("vigente hasta"), null=True, blank=True, help_text=_("El primer día sin él; vacío: hasta nuevo aviso.")
    )
    summer_start_month = models.PositiveSmallIntegerField(
        _("inicio del verano"), validators=[MinValueValidator(1), MaxValueValidator(12)], help_text=_("El mes, de 1 a 12.")
    )
    summer_months = models.PositiveSmallIntegerField(
        _("meses de verano"), default=6, validators=[MinValueValidator(1), MaxValueValidator(11)]
    )
    is_confirmed = models.BooleanField(
        _("confirmado"), default=False, help_text=_("Un recibo real lo muestra. Mientras no, los recibos son una estimación.")
    )
    source = models.CharField(_("fuente"), max_length=200, help_text=_("Dónde está publicado."))

    objects = SchemeQuerySet.as_manager()

    class Meta:
        verbose_name = _("esquema estatal")
        verbose_name_plural = _("esquemas estatales")
        ordering = ["state", "tariff", "-start"]
        constraints = [
            models.CheckConstraint(
                condition=Q(summer_start_month__range=(1, 12), summer_months__range=(1, 11)),
                name="tariffs_scheme_summer",
                violation_error_message=_("El verano dura de 1 a 11 meses y empieza en uno de 1 a 12."),
            ),
            models.CheckConstraint(
                condition=Q(end__isnull=True) | Q(end__gt=F("start")),
                name="tariffs_scheme_period",
                violation_error_message=_("La vigencia termina después de empezar."),
            ),
            ExclusionConstraint(
                name="tariffs_scheme_no_overlap",
                expressions=[
                    (point("tariffs_text_range", "state"), RangeOperators.EQUAL),
                    (point("tariffs_text_range", "tariff"), RangeOperators.EQUAL),
                    (
                        Func(Least("start", "end"), F("end"), function="daterange", output_field=DateRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                violation_error_message=_("Otro esquema del estado y la tarifa rige en parte de esas fechas."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.tariff} {self.start:%Y-%m-%d}"


class SchemeTier(models.Model):
    """Where a tier of a scheme ends, in kWh a month of use; it begins where the one before it ends."""

    scheme = models.ForeignKey(Scheme, on_delete=models.CASCADE, related_name="tiers", verbose_name=_("esquema"))
    season = models.CharField(_("temporada"), max_length=12, choices=SEASONS)
    tier = models.CharField(_("escalón"), max_length=15, choices=TIERS)
    upper_kwh_month = models.PositiveIntegerField(
        _("hasta (kWh al mes)"), null=True, blank=True, validators=[MinValueValidator(1)], help_text=_("Vacío: sin límite.")
    )

    class Meta:
        verbose_name = _("escalón del esquema")
        verbose_name_plural = _("escalones del esquema")
        constraints = [
            models.UniqueConstraint(
                fields=["scheme", "season", "tier"],
                name="tariffs_schemetier_unique",
                violation_error_message=_("El escalón ya está en el esquema."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_season_display()} {self.get_tier_display()}"
