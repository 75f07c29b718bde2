"""Supply contracts of homes, with their versions."""

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from simple_history import register

from accounts.cfe_tariffs import DAC_REGIONS, LOCALITY_TARIFFS, TARIFFS
from accounts.models.homes import Home

DEFAULT_TARIFF = "1F"
ALWAYS = date(2000, 1, 1)  # a home's first contract counts for whatever came before it, too


def _share(name: Any, *, default: Decimal = Decimal(0), max_digits: int = 5, decimal_places: int = 4, help_text: Any) -> Any:
    """Return a field for a fraction from 0 to 1."""
    return models.DecimalField(
        name,
        max_digits=max_digits,
        decimal_places=decimal_places,
        default=default,
        db_default=default,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=help_text,
    )


def _sum(name: Any, *, help_text: Any = "") -> Any:
    """Return a field for pesos."""
    return models.DecimalField(
        name,
        max_digits=8,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[MinValueValidator(0)],
        help_text=help_text,
    )


class Contract(models.Model):
    """A version of a home's supply contract with CFE, as its paper bill states it, in force from a date until the next version's."""

    class State(models.TextChoices):
        """The states by their official codes (ISO 3166-2:MX)."""

        AGU = "AGU", "Aguascalientes"
        BCN = "BCN", "Baja California"
        BCS = "BCS", "Baja California Sur"
        CAM = "CAM", "Campeche"
        CHP = "CHP", "Chiapas"
        CHH = "CHH", "Chihuahua"
        CMX = "CMX", "Ciudad de México"
        COA = "COA", "Coahuila"
        COL = "COL", "Colima"
        DUR = "DUR", "Durango"
        GUA = "GUA", "Guanajuato"
        GRO = "GRO", "Guerrero"
        HID = "HID", "Hidalgo"
        JAL = "JAL", "Jalisco"
        MEX = "MEX", "Estado de México"
        MIC = "MIC", "Michoacán"
        MOR = "MOR", "Morelos"
        NAY = "NAY", "Nayarit"
        NLE = "NLE", "Nuevo León"
        OAX = "OAX", "Oaxaca"
        PUE = "PUE", "Puebla"
        QUE = "QUE", "Querétaro"
        ROO = "ROO", "Quintana Roo"
        SLP = "SLP", "San Luis Potosí"
        SIN = "SIN", "Sinaloa"
        SON = "SON", "Sonora"
        TAB = "TAB", "Tabasco"
        TAM = "TAM", "Tamaulipas"
        TLA = "TLA", "Tlaxcala"
        VER = "VER", "Veracruz"
        YUC = "YUC", "Yucatán"
        ZAC = "ZAC", "Zacatecas"

    class Generation(models.TextChoices):
        """What the supply's agreement with CFE says about energy that the home returns to the grid."""

        NONE = "none", _("sin generación")
        NET_METERING = "net_metering", _("medición neta")
        NET_BILLING = "net_billing", _("facturación neta")

    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="contracts", verbose_name=_("hogar"))
    valid_from = models.DateField(
        _("vigente desde"),
        default=ALWAYS,
        db_default=ALWAYS,
        help_text=_("Rige desde esta fecha hasta el día anterior al inicio de la versión siguiente."),
    )
    tariff = models.CharField(_("tarifa"), max_length=3, choices=[(each, each) for each in TARIFFS], default=DEFAULT_TARIFF)
    base_tariff = models.CharField(
        _("tarifa de la localidad"),
        max_length=3,
        choices=[(each, each) for each in LOCALITY_TARIFFS],
        blank=True,
        default="",
        db_default="",
        help_text=_("Solo en DAC: la tarifa a la que el hogar vuelve al salir; de ella depende el límite."),
    )
    billing_months = models.PositiveSmallIntegerField(
        _("meses por recibo"), default=1, db_default=1, choices=[(1, _("mensual")), (2, _("bimestral"))]
    )
    billing_day = models.PositiveSmallIntegerField(
        _("día de corte"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text=_("Día del mes en que empieza el ciclo; en los meses cortos, el último día."),
    )
    last_reading = models.DateField(
        _("última lectura"),
        null=True,
        blank=True,
        help_text=_(
            "Fecha de una lectura del medidor. De ella salen el día de corte y, si el recibo es bimestral, los meses que abarca."
        ),
    )
    supply_start = models.DateField(
        _("inicio del suministro"),
        null=True,
        blank=True,
        help_text=_("La fecha en que CFE conectó el servicio, si se conoce: en su primer año no hay DAC."),
    )
    summer_start_month = models.PositiveSmallIntegerField(
        _("inicio del verano"),
        default=5,
        validators=[MinValueValidator(2), MaxValueValidator(5)],
        help_text=_("Mes en que la tarifa de verano empieza en la localidad, de febrero (2) a mayo (5)."),
    )
    dac_region = models.CharField(_("región DAC"), max_length=20, choices=list(DAC_REGIONS.items()), default="central")
    generation = models.CharField(
        _("generación"),
        max_length=12,
        choices=Generation.choices,
        default=Generation.NONE,
        db_default=Generation.NONE,
        help_text=_("Con medición neta, lo que el hogar entrega a la red se descuenta de lo que consume."),
    )
    iva_rate = _share(
        _("IVA"), default=Decimal("0.16"), help_text=_("Como fracción: 0.16 es 16 %."), max_digits=4, decimal_places=3
    )
    dap_share = _share(_("DAP, proporción de la energía"), help_text=_("Alumbrado público como fracción: 0.05 es 5 %."))
    dap_mxn = _sum(_("DAP, pesos por recibo"), help_text=_("Alumbrado público como suma fija."))
    discount_share = _share(_("descuento estatal, proporción de la energía"), help_text=_("Como fracción: 0.05 es 5 %."))
    discount_mxn = _sum(_("descuento estatal, pesos por recibo"))
    state = models.CharField(_("estado"), max_length=3, choices=State.choices, blank=True, default="", db_default="")
    municipality = models.CharField(_("municipio"), max_length=80, blank=True, default="", db_default="")

    history: ClassVar[Any]

    class Meta:
        verbose_name = _("contrato")
        verbose_name_plural = _("contratos")
        ordering = ["home", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["home", "valid_from"],
                name="accounts_contract_version",
                violation_error_message=_("El hogar ya tiene una versión del contrato vigente desde esa fecha."),
            ),
            models.CheckConstraint(condition=models.Q(billing_day__range=(1, 31)), name="accounts_contract_billing_day"),
            models.CheckConstraint(condition=models.Q(summer_start_month__range=(2, 5)), name="accounts_contract_summer_start"),
            models.CheckConstraint(condition=models.Q(billing_months__in=(1, 2)), name="accounts_contract_billing_months"),
        ]

    def __str__(self) -> str:
        try:
            home = str(self.home)
        except Home.DoesNotExist:  # a version that the history remembers may outlive its home
            home = gettext("hogar borrado")
        return f"{home}: {self.tariff}"

    @property
    def cycle_month(self) -> int:
        """A month (1–12) in which a bimonthly cycle starts: that of the last reading, January where nobody knows."""
        return self.last_reading.month if self.last_reading else 1


# Not in the class: only so is the model of the history to be found in `accounts.models`.
register(Contract, app="accounts", verbose_name=_("cambio de contrato"), verbose_name_plural=_("cambios de contratos"))
