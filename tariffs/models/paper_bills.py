"""Paper bills."""

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _

from accounts.models import Home
from tariffs.cfe.cycles import billing_months
from tariffs.cfe.tariffs import MAX_DAYS, MAX_KWH, MAX_MXN


class PaperBill(models.Model):
    """A bill that CFE has printed, as the customer typed it in. Dates are [start, end): `end` is the printed date of the reading."""

    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="paper_bills", verbose_name=_("hogar"))
    start = models.DateField(_("desde"), help_text=_("La fecha de la lectura anterior."))
    end = models.DateField(_("hasta"), help_text=_("La fecha de la lectura, como está impresa."))
    kwh = models.PositiveIntegerField(_("consumo (kWh)"), validators=[MaxValueValidator(MAX_KWH)])
    total_mxn = models.DecimalField(
        _("total pagado"),
        max_digits=10,
        decimal_places=2,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_MXN)],
    )
    created_at = models.DateTimeField(_("fecha de alta"), auto_now_add=True)

    class Meta:
        verbose_name = _("recibo")
        verbose_name_plural = _("recibos")
        ordering = ["home", "-end"]
        constraints = [
            models.CheckConstraint(
                condition=Q(end__gt=F("start")) & Q(end__lte=F("start") + timedelta(days=MAX_DAYS)),
                name="tariffs_paperbill_period",
                violation_error_message=_("El periodo debe tener de 1 a 100 días."),
            ),
            models.CheckConstraint(
                condition=Q(kwh__gte=0, kwh__lte=MAX_KWH, total_mxn__gte=0, total_mxn__lte=MAX_MXN),
                name="tariffs_paperbill_amounts",
                violation_error_message=_("El consumo o el total no corresponde a un hogar."),
            ),
            # Ranges of one home on both sides, since plain numbers would need an extension (btree_gist) in a GiST index. PostgreSQL
            # would rather fail than make a range whose ends are crossed, which another constraint refuses in a sentence.
            ExclusionConstraint(
                name="tariffs_paperbill_overlap",
                expressions=[
                    (
                        Func(F("home_id"), F("home_id"), Value("[]"), function="int8range", output_field=BigIntegerRangeField()),
                        RangeOperators.EQUAL,
                    ),
                    (
                        Func(Least("start", "end"), F("end"), function="daterange", output_field=DateRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                violation_error_message=_("Ya hay un recibo que cubre parte de ese periodo."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d} – {self.end:%Y-%m-%d}: {self.kwh} kWh"

    @property
    def day_count(self) -> int:
        return (self.end - self.start).days

    @property
    def average_kwh_day(self) -> Decimal:
        """The mean use of a day in kWh, to two decimals."""
        return (Decimal(self.kwh) / self.day_count).quantize(Decimal("0.01"), ROUND_HALF_UP)

    @property
    def billing_months(self) -> int:
        """How many months the bill covers, 1 or 2."""
        return billing_months(self.day_count)
