"""Admin of the advice."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from analysis.models import Recommendation


@admin.register(Recommendation)
class RecommendationAdmin(ModelAdmin):
    list_display = ("home", "text", "source", "created_at")
    list_filter = ("source",)
    list_select_related = ("home",)
    autocomplete_fields = ("home",)
    search_fields = ("home__name", "text")
    date_hierarchy = "created_at"
