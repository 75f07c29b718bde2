"""CFE's residential prices."""

from typing import Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Deferrable, F, Func, Q, Value
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from accounts.cfe_tariffs import DAC, DAC_REGIONS, TARIFFS
from tariffs.cfe.tariffs import NATIONAL, TIER_NAMES, Provenance, Season, Tier
from tariffs.querysets import PriceQuerySet

SEASONS = [
    (Season.ALL_YEAR.value, _("todo el año")),
    (Season.SUMMER.value, _("verano")),
    (Season.NOT_SUMMER.value, _("fuera de verano")),
]
TIERS = [(tier.value, name) for tier, name in TIER_NAMES.items()]
REGIONS = [(NATIONAL, _("Nacional")), *DAC_REGIONS.items()]
PROVENANCES = [(Provenance.PUBLISHED.value, _("publicado")), (Provenance.DERIVED.value, _("derivado"))]


def point(function: str, name: str) -> Func:
    """Return the range that holds one value alone: GiST compares ranges, and plain values only with an extension (btree_gist)."""
    return Func(F(name), F(name), Value("[]"), function=function)


# PostgreSQL would rather fail than make a range whose ends are crossed, which another constraint refuses in a sentence; LEAST
# passes over NULL, so a tier without end keeps its beginning.
TIER_KWH = Func(Least("lower_kwh_month", "upper_kwh_month"), "upper_kwh_month", function="int4range")


def _words(choices: list[Any]) -> list[str]:
    return [word for word, _label in choices]


class Price(models.Model):
    """What a kWh costs in one tier of a tariff during one month, before tax. Limits are kWh of one month, `[lower, upper)`."""

    tariff = models.CharField(_("tarifa"), max_length=3, choices=[(each, each) for each in TARIFFS])
    season = models.CharField(_("temporada"), max_length=12, choices=SEASONS)
    tier = models.CharField(_("escalón"), max_length=15, choices=TIERS)
    month = models.DateField(_("mes"), help_text=_("El primer día del mes."))
    price_mxn_per_kwh = models.DecimalField(_("precio por kWh"), max_digits=7, decimal_places=3)
    lower_kwh_month = models.PositiveIntegerField(_("desde (kWh al mes)"), default=0)
    upper_kwh_month = models.PositiveIntegerField(
        _("hasta (kWh al mes)"), null=True, blank=True, help_text=_("Vacío: sin límite.")
    )
    region = models.CharField(_("región"), max_length=20, choices=REGIONS, default=NATIONAL)
    fixed_charge_mxn_month = models.DecimalField(
        _("cargo fijo al mes"), max_digits=7, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    provenance = models.CharField(
        _("procedencia"), max_length=10, choices=PROVENANCES, help_text=_("Derivado: calculado a partir de uno publicado.")
    )

    objects = PriceQuerySet.as_manager()
    history = HistoricalRecords(verbose_name=_("cambio de precio"), verbose_name_plural=_("cambios de precios"))

    class Meta:
        verbose_name = _("precio")
        verbose_name_plural = _("precios")
        ordering = ["tariff", "region", "-month", "season", "lower_kwh_month"]
        constraints = [
            models.UniqueConstraint(
                fields=["tariff", "season", "tier", "month", "region"],
                name="tariffs_price_unique",
                violation_error_message=_("Ya existe un precio para esa tarifa, temporada, escalón, mes y región."),
            ),
            models.CheckConstraint(
                condition=Q(season__in=_words(SEASONS)) & Q(tier__in=_words(TIERS)) & Q(provenance__in=_words(PROVENANCES)),
                name="tariffs_price_words",
                violation_error_message=_("La temporada, el escalón o la procedencia no existen."),
            ),
            models.CheckConstraint(
                condition=Q(month__day=1),
                name="tariffs_price_first_of_month",
                violation_error_message=_("El mes se escribe con su primer día."),
            ),
            models.CheckConstraint(
                condition=Q(price_mxn_per_kwh__gt=0),
                name="tariffs_price_positive",
                violation_error_message=_("El precio debe ser mayor que cero."),
            ),
            models.CheckConstraint(
                condition=Q(upper_kwh_month__isnull=True) | Q(upper_kwh_month__gt=F("lower_kwh_month")),
                name="tariffs_price_limits",
                violation_error_message=_("El límite superior debe ser mayor que el inferior."),
            ),
            models.CheckConstraint(
                condition=(Q(tariff=DAC, tier=Tier.ENERGY.value) & Q(region__in=list(DAC_REGIONS)))
                | (~Q(tariff=DAC) & ~Q(tier=Tier.ENERGY.value) & Q(region=NATIONAL, fixed_charge_mxn_month__isnull=True)),
                name="tariffs_price_dac",
                violation_error_message=_("Solo DAC tiene regiones, cargo fijo y el escalón Energía."),
            ),
            models.CheckConstraint(
                condition=Q(fixed_charge_mxn_month__isnull=True) | Q(fixed_charge_mxn_month__gte=0),
                name="tariffs_price_fixed_charge",
                violation_error_message=_("El cargo fijo no puede ser negativo."),
            ),
            ExclusionConstraint(
                name="tariffs_price_no_overlap",
                expressions=[
                    (point("tariffs_text_range", "tariff"), RangeOperators.EQUAL),
                    (point("tariffs_text_range", "region"), RangeOperators.EQUAL),
                    (point("tariffs_text_range", "season"), RangeOperators.EQUAL),
                    (point("daterange", "month"), RangeOperators.EQUAL),
                    (TIER_KWH, RangeOperators.OVERLAPS),
                ],
                deferrable=Deferrable.IMMEDIATE,  # after the statement, which may move the limit between two tiers
                violation_error_message=_(
                    "Los kWh se traslapan con los de otro escalón de la misma tarifa, región, temporada y mes; "
                    "ajusta primero el otro escalón."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} {self.get_season_display()} {self.get_tier_display()} {self.month:%Y-%m}"

    def natural_key(self) -> tuple[Any, ...]:
        """Return the values that identify a price in a fixture."""
        return self.tariff, self.season, self.tier, self.month, self.region
