"""Admin of the states' schemes."""

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet
from django.utils.translation import gettext
from unfold.admin import ModelAdmin, TabularInline

from tariffs.cfe.schemes import limits_rise
from tariffs.cfe.tariffs import Tier
from tariffs.models import Price, Scheme, SchemeTier


class TiersFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # takes no parameters when it runs
    """The tiers of a scheme, which leave no gap and are tiers of the tariff."""

    def clean(self) -> None:
        """Check each season's tiers together. Raises ValidationError."""
        super().clean()
        if any(self.errors):
            return
        rows = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        for season in sorted({row["season"] for row in rows}):
            limits = {Tier(row["tier"]): row["upper_kwh_month"] for row in rows if row["season"] == season}
            if not limits_rise(limits):
                raise ValidationError(gettext("En cada temporada los límites suben, y solo el último escalón no tiene límite."))
            known = set(Price.objects.filter(tariff=self.instance.tariff, season=season).values_list("tier", flat=True))
            if not known.issuperset(limits):
                raise ValidationError(gettext("La tarifa no tiene uno de los escalones en esa temporada."))


class TiersInline(TabularInline):
    model = SchemeTier
    formset = TiersFormSet
    extra = 0


@admin.register(Scheme)
class SchemeAdmin(ModelAdmin):
    list_display = ("state", "tariff", "start", "end", "summer_start_month", "summer_months", "is_confirmed")
    list_filter = ("state", "tariff", "is_confirmed")
    inlines = (TiersInline,)
    list_per_page = 50
