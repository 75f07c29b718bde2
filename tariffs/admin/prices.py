"""Admin of the prices."""

from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import AllValuesFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from import_export.admin import ImportExportMixin
from import_export.tmp_storages import CacheStorage

from tariffs.admin.confirmation import ConfirmationMixin
from tariffs.admin.exchange import PriceCsv, PriceResource, UploadForm, UploadGone, in_spanish, sentence
from tariffs.admin.history import HistoryAdmin
from tariffs.admin.price_form import PriceForm, gaps_without
from tariffs.cfe.price_file import PriceFileError
from tariffs.models import Price


@admin.register(Price)
class PriceAdmin(ConfirmationMixin, ImportExportMixin, HistoryAdmin):
    """Prices by tariff, season and month; in and out as CFE's file."""

    form = PriceForm

    list_display = ("tariff", "region", "season", "tier", "shown_month", "price_mxn_per_kwh", "move", "limits", "provenance")
    list_filter = ("tariff", "season", ("month", AllValuesFieldListFilter), "region", "provenance")
    search_fields = ("tariff", "tier", "region")
    date_hierarchy = "month"
    list_per_page = 50

    resource_classes = (PriceResource,)
    formats = (PriceCsv,)
    import_form_class = UploadForm
    import_template_name = "tariffs/admin/import_prices.html"
    tmp_storage_class = CacheStorage  # the next request may be another machine's
    skip_export_form = True
    skip_admin_log = True  # the history has it all, with the file's name

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        """Add the price of the month before to each row."""
        prices: QuerySet[Price] = super().get_queryset(request)
        return prices.with_price_before()  # type: ignore[attr-defined,no-any-return]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, list[Any]]:
        """Keep a tier whose loss would leave a gap: the kWh in it would be billed at nothing. A month goes as a whole."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, missing, [*protected, *map(in_spanish, gaps_without(objs))]

    @admin.display(description=_("mes"), ordering="month")
    def shown_month(self, price: Price) -> str:
        return f"{price.month:%Y-%m}"

    @admin.display(description=_("cambio"))
    def move(self, price: Price) -> str:
        """Return by how much the price moved from the month before, in percent."""
        before: Decimal | None = price.price_before  # type: ignore[attr-defined]
        return f"{(price.price_mxn_per_kwh / before - 1) * 100:+.1f} %" if before else "–"

    @admin.display(description=_("límites (kWh)"))
    def limits(self, price: Price) -> str:
        upper = price.upper_kwh_month
        return f"{price.lower_kwh_month}–{upper}" if upper else f"> {price.lower_kwh_month}"

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Let those import who may do by hand what a file may do: add, change and remove prices."""
        return bool(
            self.has_add_permission(request) and self.has_change_permission(request) and self.has_delete_permission(request)
        )

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request))

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        """Show what is wrong with each bad line."""
        if isinstance(e, PriceFileError):
            form.add_error("import_file", [sentence(notice) for notice in e.errors])
        else:
            form.add_error("import_file", _("El archivo no es un CSV en UTF-8."))

    def process_import(self, request: HttpRequest, **options: Any) -> HttpResponse:
        """Import what was previewed, or ask for it again where it is gone: confirmed already, or a day old."""
        try:
            return super().process_import(request, **options)  # type: ignore[no-any-return]
        except UploadGone:
            self.message_user(request, _("El archivo ya no está: súbelo otra vez."), messages.ERROR)
            return redirect("admin:tariffs_price_import")

    def add_success_message(self, result: Any, request: HttpRequest) -> None:
        text = _("Precios importados: %(new)d nuevos, %(update)d cambiados, %(delete)d quitados, %(skip)d sin cambio.")
        self.message_user(request, text % dict(result.totals), messages.SUCCESS)
