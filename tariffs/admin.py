"""Admin of the prices and the paper bills."""

from django.contrib import admin
from django.contrib.admin import AllValuesFieldListFilter
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from tariffs.models import PaperBill, Price


@admin.register(Price)
class PriceAdmin(ModelAdmin):
    """Prices by tariff, season and month."""

    list_display = ("tariff", "region", "season", "tier", "shown_month", "price_mxn_per_kwh", "limits", "provenance")
    list_filter = ("tariff", "season", ("month", AllValuesFieldListFilter), "region", "provenance")
    search_fields = ("tariff", "tier", "region")
    date_hierarchy = "month"
    list_per_page = 50

    @admin.display(description=_("mes"), ordering="month")
    def shown_month(self, price: Price) -> str:
        """Return the month without its first day."""
        return f"{price.month:%Y-%m}"

    @admin.display(description=_("límites (kWh al mes)"), ordering="lower_kwh_month")
    def limits(self, price: Price) -> str:
        """Return the tier's limits."""
        upper = price.upper_kwh_month
        return f"{price.lower_kwh_month}–{upper}" if upper else f"> {price.lower_kwh_month}"


@admin.register(PaperBill)
class PaperBillAdmin(ModelAdmin):
    """Paper bills by home and period."""

    list_display = ("home", "start", "end", "kwh", "total_mxn", "created_at")
    list_select_related = ("home",)
    search_fields = ("home__name", "home__memberships__user__email")
    autocomplete_fields = ("home",)
    date_hierarchy = "end"
    list_per_page = 50
