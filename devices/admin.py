"""Devices for staff."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from devices import services
from devices.models import Channel, Device
from devices.shelly import displayed_hardware_id, normalised_hardware_id


class ChannelInline(TabularInline):
    """The device's circuits."""

    model = Channel
    extra = 0


@admin.register(Device)
class DeviceAdmin(ModelAdmin):
    """Devices with their circuits; deletion goes through the service, which tells the other apps."""

    list_display = ["name", "hardware", "home", "model", "is_active", "is_online", "is_main", "installed_at"]
    list_filter = ["is_active", "is_online", "is_main", "model", "brand", "installed_at"]
    list_select_related = ["home"]
    search_fields = ["name", "hardware_id", "home__name", "home__memberships__user__email"]
    search_help_text = _("Nombre, ID de hardware, hogar o correo electrónico")
    autocomplete_fields = ["home"]
    readonly_fields = ["installed_at", "is_online", "last_seen_at", "proven_at"]
    inlines = [ChannelInline]

    @admin.display(description=_("ID de hardware"), ordering="hardware_id")
    def hardware(self, device: Device) -> str:
        """Return the id as people know it."""
        return displayed_hardware_id(device.hardware_id)

    def get_readonly_fields(self, request: HttpRequest, obj: Device | None = None) -> list[str]:
        """Keep the hardware's id as it is once there is a device: who moves to other hardware is another device."""
        fixed = ["hardware_id"] if obj else []  # and every process remembers which device a MAC is
        return [*super().get_readonly_fields(request, obj), *fixed]

    def save_model(self, request: HttpRequest, obj: Device, form: "ModelForm[Device]", change: bool) -> None:
        """Write what staff changed, and not over what changes by itself meanwhile."""
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            obj.proven_at = timezone.now()  # staff know whose it is
            super().save_model(request, obj, form, change)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Device], search_term: str) -> tuple[Any, bool]:
        """Search by the words, and by them as a hardware id in any spelling."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if hardware_id := normalised_hardware_id(search_term):
            found |= queryset.filter(pk__in=Device.objects.filter(hardware_id=hardware_id))
        return found, may_repeat

    def save_related(self, request: HttpRequest, form: "ModelForm[Device]", formsets: Any, change: bool) -> None:
        """Name the channels that the model has and staff left unnamed."""
        super().save_related(request, form, formsets, change)
        services.channels_fill(device=form.instance)

    def delete_model(self, request: HttpRequest, obj: Device) -> None:
        """Release the device."""
        services.device_delete(device=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Release the devices."""
        for device in queryset:
            services.device_delete(device=device)
