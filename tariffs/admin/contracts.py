"""Admin of the supply contracts, with what they would bill."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV
from import_export.resources import ModelResource
from unfold.decorators import action

from accounts.models import Contract, Home
from accounts.services import home_zone_follow
from accounts.services.contracts import TERMS
from common.ids import row_id
from tariffs.admin.bill_preview import BillPreviewForm, bill_preview, cycle_fields
from tariffs.admin.history import HistoryAdmin

AT_MOST = 20  # contracts on one page, each with its own prices and kWh


class ContractResource(ModelResource):
    """Contracts as a table. What users wrote does not reach a spreadsheet as a formula."""

    class Meta:
        model = Contract
        fields = ("home", "home__name", "valid_from", *TERMS)

    def export_field(self, field: Any, instance: Contract, **options: Any) -> Any:
        """Return the value; text that a spreadsheet would compute is quoted."""
        value = super().export_field(field, instance, **options)
        return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


@admin.register(Contract)
class ContractAdmin(ExportMixin, HistoryAdmin):
    """Versions of the homes' contracts, and what they would bill."""

    list_display = (
        "home",
        "tariff",
        "valid_from",
        "billing_months",
        "billing_day",
        "summer_start_month",
        "state",
        "municipality",
    )
    list_filter = ("tariff", "billing_months", "summer_start_month", "state")
    list_select_related = ("home",)
    search_fields = ("home__name", "home__memberships__user__email")
    autocomplete_fields = ("home",)
    list_per_page = 50
    actions = ("what_would_they_bill",)
    actions_detail = ("what_would_this_bill",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "home",
                    "valid_from",
                    "tariff",
                    "base_tariff",
                    "billing_months",
                    "billing_day",
                    "last_reading",
                    "supply_start",
                )
            },
        ),
        (_("Temporada, región e impuestos"), {"fields": ("summer_start_month", "dac_region", "generation", "iva_rate")}),
        (_("Alumbrado y descuentos"), {"fields": ("dap_share", "dap_mxn", "discount_share", "discount_mxn")}),
        (_("Lugar"), {"fields": ("state", "municipality")}),
    )

    resource_classes = (ContractResource,)
    formats = (CSV,)
    skip_export_form = True

    def save_model(self, request: HttpRequest, obj: Contract, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        home_zone_follow(home=Home.objects.get(pk=obj.home_id))

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request))

    def get_urls(self) -> list[URLPattern]:
        page = path("bill/", self.admin_site.admin_view(self.bill_view), name="accounts_contract_bill")
        return [page, *super().get_urls()]

    @admin.action(description=_("¿Qué facturaría?"), permissions=["view"])
    def what_would_they_bill(self, request: HttpRequest, contracts: QuerySet[Contract]) -> HttpResponse | None:
        keys = list(contracts.values_list("pk", flat=True)[: AT_MOST + 1])
        if len(keys) > AT_MOST:
            self.message_user(request, _("Elige %(count)d contratos como máximo.") % {"count": AT_MOST}, messages.ERROR)
            return None
        return _bills_of(keys)

    @action(description=_("¿Qué facturaría?"), permissions=["view"], url_path="bill", icon="receipt_long")
    def what_would_this_bill(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return _bills_of([object_id])

    def bill_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the contracts in the query (`pk`) would bill, and ask for another period or other kWh."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        keys = [row_id(key) for key in request.GET.getlist("pk")[:AT_MOST]]
        contracts = list(self.get_queryset(request).filter(pk__in=keys).select_related("home"))
        form = BillPreviewForm(request.GET if "start" in request.GET else cycle_fields(contracts))
        bills = [bill_preview(contract, **form.cleaned_data) for contract in contracts] if form.is_valid() else []
        context = {
            **self.admin_site.each_context(request),
            "title": _("¿Qué facturaría?"),
            "opts": self.opts,
            "form": form,
            "bills": bills,
            "contracts": contracts,
        }
        return TemplateResponse(request, "tariffs/admin/bill_preview.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, list[Any]]:
        """Keep a home's last contract: without one its pages and bills fail. Homes themselves are deleted with theirs."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        going = [contract.pk for contract in objs]
        left = Contract.objects.exclude(pk__in=going).values("home_id")
        bare = Contract.objects.filter(pk__in=going).exclude(home_id__in=left).select_related("home")
        last = [gettext("El único contrato de %(home)s") % {"home": contract.home} for contract in bare]
        return deleted, counts, missing, [*protected, *last]


def _bills_of(keys: list[Any]) -> HttpResponse:
    return redirect(f"{reverse('admin:accounts_contract_bill')}?{urlencode({'pk': keys}, doseq=True)}")
