"""Admin of the prices."""

from django.contrib import admin
from django.contrib.admin import AllValuesFieldListFilter
from unfold.admin import ModelAdmin

from tariffs.models import Price


@admin.register(Price)
class PriceAdmin(ModelAdmin):
    """Prices by tariff, season and month."""

    list_display = (
        "tariff",
        "season",
        "tier",
        "month",
        "price_mxn_per_kwh",
        "lower_kwh_month",
        "upper_kwh_month",
        "region",
        "fixed_charge_mxn_month",
        "provenance",
    )
    list_filter = ("tariff", "season", ("month", AllValuesFieldListFilter), "region", "provenance")
    search_fields = ("tariff", "tier", "region")
    date_hierarchy = "month"
    list_per_page = 50
