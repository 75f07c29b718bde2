"""What staff see of devices and of what these have measured."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from accounts.admin import ReadOnlyAdmin
from devices.admin import DeviceAdmin
from devices.models import Device
from telemetry.models import DiscardedSpan, Limit
from telemetry.selectors import device_totals

admin.site.unregister(Device)


@admin.register(Device)
class MeteringDeviceAdmin(DeviceAdmin):
    """Devices; the page that confirms a deletion begins with the energy that the home would lose."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return [*self._lost_energy(objs), *deleted], counts, lacking, protected

    def _lost_energy(self, devices: Iterable[Device]) -> list[str]:
        chosen = list(devices)
        found = device_totals([device.pk for device in chosen])
        return [
            _("El hogar %(home)s pierde lo que midió %(device)s: %(kwh)s kWh, del %(first)s al %(last)s.")
            % {
                "home": device.home,
                "device": device,
                "kwh": number_format(found[device.pk].energy_wh / 1000, 1),
                "first": date_format(localtime(found[device.pk].first)),
                "last": date_format(localtime(found[device.pk].last)),
            }
            if device.pk in found
            else _("%(device)s no ha medido nada; no se pierde energía.") % {"device": device}
            for device in chosen
        ]


@admin.register(DiscardedSpan)
class DiscardedSpanAdmin(ReadOnlyAdmin):
    """Who discarded which readings. Without its row a counter's movement across the span counts again."""

    list_display = ("device", "home", "start", "end", "discarded_by", "discarded_at", "readings", "five_minutes", "hours", "kwh")
    list_filter = ("discarded_at",)
    list_select_related = ("device__home", "discarded_by")
    search_fields = ("device__name", "device__hardware_id", "device__home__name", "discarded_by__email")
    date_hierarchy = "discarded_at"
    fields = ("device", "start", "end", "discarded_by", "discarded_at", "readings", "five_minutes", "hours", "energy_wh")

    @admin.display(description=gettext_lazy("hogar"))
    def home(self, span: DiscardedSpan) -> str:
        return str(span.device.home)

    @admin.display(description="kWh", ordering="energy_wh")
    def kwh(self, span: DiscardedSpan) -> str:
        return str(number_format(span.energy_wh / 1000, 3))


@admin.register(Limit)
class LimitAdmin(ModelAdmin):
    """Limits of circuits: staff activate them or not, and delete them; what they are is their home's to say."""

    list_display = ("__str__", "device", "channel", "is_active", "passed_at")
    list_filter = ("is_active", "passed_at")
    list_select_related = ("device",)
    search_fields = ("device__name", "device__hardware_id", "device__home__name")
    fields = ("device", "channel", "power_w", "minutes", "kwh_a_day", "is_active", "works", "passed_at")
    readonly_fields = ("device", "channel", "power_w", "minutes", "kwh_a_day", "works", "passed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Limit]:
        return Limit.objects.with_circuit().select_related("device").order_by(*self.get_ordering(request) or ["id"])

    @admin.display(description=gettext_lazy("puede apagar"), boolean=True)
    def works(self, limit: Limit) -> bool:
        return limit.device.is_active and not limit.is_essential

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Limit, form: "ModelForm[Limit]", change: bool) -> None:
        """Write what staff changed, and not over what passes meanwhile."""
        obj.save(update_fields=form.changed_data)
