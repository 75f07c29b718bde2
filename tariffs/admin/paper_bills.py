"""Admin of the paper bills."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from tariffs.models import PaperBill


@admin.register(PaperBill)
class PaperBillAdmin(ModelAdmin):
    """Paper bills by home and period."""

    list_display = ("home", "start", "end", "kwh", "total_mxn", "created_at")
    list_select_related = ("home",)
    search_fields = ("home__name", "home__memberships__user__email")
    autocomplete_fields = ("home",)
    date_hierarchy = "end"
    list_per_page = 50
