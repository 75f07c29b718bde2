"""Admin of the paper bills."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from tariffs.admin.confirmation import ConfirmationForm, ConfirmationMixin
from tariffs.models import PaperBill
from tariffs.selectors.paper_bills import paper_bill_warnings


class PaperBillForm(ConfirmationForm):
    """A bill that asks for confirmation where its figures are implausible."""

    def warnings(self) -> list[str]:
        """Return what the API would ask to confirm."""
        values = {name: self.cleaned_data[name] for name in ("home", "start", "end", "kwh", "total_mxn")}
        if values["start"] >= values["end"]:  # the database says it
            return []
        return list(paper_bill_warnings(PaperBill(pk=self.instance.pk, **values)).values())


@admin.register(PaperBill)
class PaperBillAdmin(ConfirmationMixin, ModelAdmin):
    form = PaperBillForm
    list_display = ("home", "start", "end", "kwh", "total_mxn", "created_at")
    list_select_related = ("home",)
    search_fields = ("home__name", "home__memberships__user__email")
    autocomplete_fields = ("home",)
    date_hierarchy = "end"
    list_per_page = 50
