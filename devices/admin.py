"""Devices for staff."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin import ReadOnlyAdmin
from devices import selectors, services
from devices.circuits import channels_fill
from devices.exceptions import DeviceOfAnotherHome, DeviceTaken
from devices.models import Channel, Command, Device, DeviceEvent, RoleChange, Schedule
from devices.models.schedules import WEEKDAYS
from devices.ownership.proofs import Proof
from devices.schedules.services import next_times, schedule_delete, schedule_save
from devices.shelly_models import displayed_hardware_id, normalised_hardware_id
from devices.validators import hardware_id_validator


class RetiredFilter(admin.SimpleListFilter):
    """Devices in use, and those that their homes have deleted."""

    title = _("retirado")
    parameter_name = "retired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices beside all."""
        return [("no", _("En uso")), ("yes", _("Retirados"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        """Keep what was chosen."""
        if self.value() is None:
            return queryset
        return queryset.filter(retired_at__isnull=self.value() == "no")


class ChannelForm(ModelForm):  # type: ignore[type-arg]  # takes no parameters when it runs
    """A circuit, which a new kind makes essential, or no longer, where staff do not say."""

    def clean(self) -> None:
        """Set what follows from the kind."""
        super().clean()
        if "kind" in self.changed_data and "is_essential" not in self.changed_data:
            self.cleaned_data["is_essential"] = self.instance.essential_as(self.cleaned_data.get("kind", ""))


class ReplaceForm(forms.Form):
    """Which hardware takes a device's place."""

    hardware_id = forms.CharField(
        label=_("ID de hardware nuevo"),
        min_length=12,
        max_length=255,
        validators=[hardware_id_validator],
        widget=UnfoldAdminTextInputWidget,
    )


class ChannelInline(TabularInline):
    """The device's circuits."""

    model = Channel
    form = ChannelForm
    extra = 0


class RoleChangeInline(TabularInline):
    """When the device began or ceased to measure the whole house: totals of the past go by it."""

    model = RoleChange
    extra = 0


@admin.register(Device)
class DeviceAdmin(ModelAdmin):
    """Devices with their circuits, those retired too: to delete one here is to lose what it measured, to retire it is not."""

    list_display = ["name", "hardware", "home", "model", "is_active", "is_online", "is_main", "installed_at", "retired_at"]
    list_filter = [RetiredFilter, "is_active", "is_online", "is_main", "model", "brand", "installed_at"]
    list_select_related = ["home"]
    search_fields = ["name", "hardware_id", "home__name", "home__memberships__user__email"]
    search_help_text = _("Nombre, ID de hardware, hogar o correo electrónico")
    autocomplete_fields = ["home"]
    readonly_fields = [
        "installed_at",
        "firmware",
        "generation",
        "channel_numbers",
        "is_online",
        "last_seen",
        "proven_at",
        "retired_at",
    ]
    inlines = [ChannelInline, RoleChangeInline]
    actions = ["retire", "replace"]

    def get_inlines(self, request: HttpRequest, obj: Device | None) -> list[type[TabularInline]]:
        """Offer changes of role once there is a device."""
        return self.inlines if obj else [ChannelInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        """Return the retired ones, too."""
        return Device.with_retired.order_by(*self.get_ordering(request) or ["id"])

    @admin.display(description=_("ID de hardware"), ordering="hardware_id")
    def hardware(self, device: Device) -> str:
        """Return the id as people know it."""
        return displayed_hardware_id(device.hardware_id)

    @admin.display(description=_("visto por última vez"))
    def last_seen(self, device: Device) -> str | None:
        """Return its last sign of life: Redis knows it at once, the database a while later."""
        at = selectors.last_seen(device, selectors.seen_times([device.pk] if device.pk else []))
        return localize(timezone.localtime(at)) if at else None

    def get_readonly_fields(self, request: HttpRequest, obj: Device | None = None) -> list[str]:
        """Keep hardware and home as they are once there is a device: elsewhere it is another one, and its past stays in its home."""
        fixed = ["hardware_id", "home"] if obj else []  # and every process remembers which device a MAC is
        return [*super().get_readonly_fields(request, obj), *fixed]

    def save_model(self, request: HttpRequest, obj: Device, form: "ModelForm[Device]", change: bool) -> None:
        """Write what staff changed, and not over what changes by itself meanwhile."""
        if change:
            if "is_main" in form.changed_data and obj.retired_at is None:
                services.device_update(device=obj, is_main=obj.is_main)
            obj.is_prefix_chosen |= "mqtt_prefix" in form.changed_data
            obj.is_model_chosen |= "model" in form.changed_data
            obj.save(update_fields=[*form.changed_data, "is_prefix_chosen", "is_model_chosen"])
            return
        if retired := Device.with_retired.retired().filter(home=obj.home, hardware_id=obj.hardware_id).last():  # with its past
            obj.pk, obj.installed_at = retired.pk, retired.installed_at
        obj.proven_at = timezone.now()  # staff know whose it is
        super().save_model(request, obj, form, change)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Device], search_term: str) -> tuple[Any, bool]:
        """Search by the words, and by them as a hardware id in any spelling."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if hardware_id := normalised_hardware_id(search_term):
            found |= queryset.filter(pk__in=Device.with_retired.filter(hardware_id=hardware_id))
        return found, may_repeat

    def save_related(self, request: HttpRequest, form: "ModelForm[Device]", formsets: Any, change: bool) -> None:
        """Name the channels that the model has and staff left unnamed."""
        super().save_related(request, form, formsets, change)
        channels_fill(device=form.instance)

    @admin.action(description=_("Retirar los dispositivos seleccionados (el hogar conserva lo medido)"), permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Release the devices as their home would by deleting them: nothing that was measured is lost."""
        chosen = list(queryset.filter(retired_at__isnull=True))
        for device in chosen:
            services.device_retire(device=device)
        text = ngettext("Se retiró %(count)d dispositivo.", "Se retiraron %(count)d dispositivos.", len(chosen))
        self.message_user(request, text % {"count": len(chosen)}, messages.SUCCESS)

    @admin.action(description=_("Reemplazar el dispositivo seleccionado por otro"), permissions=["change"])
    def replace(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        """Ask which hardware takes the device's place, then put it there."""
        device = queryset.filter(retired_at__isnull=True).first()
        if device is None or len(queryset) > 1:
            self.message_user(request, _("Elige un solo dispositivo en uso."), messages.ERROR)
            return None
        form = ReplaceForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            try:
                services.device_replace(device=device, proof=Proof.STAFF, **form.cleaned_data)
            except (DeviceTaken, DeviceOfAnotherHome) as error:
                form.add_error("hardware_id", str(error))
            else:
                self.message_user(request, _("Se reemplazó el dispositivo; el hogar conserva lo medido."), messages.SUCCESS)
                return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Reemplazar un dispositivo"),
            "opts": self.opts,
            "device": device,
            "form": form,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "devices/admin/replace_device.html", context)

    def delete_model(self, request: HttpRequest, obj: Device) -> None:
        """Delete the device for good."""
        services.device_delete(device=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Delete the devices for good."""
        for device in queryset:
            services.device_delete(device=device)


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    """Who told which relay what, and what the device answered."""

    list_display = ["device", "channel", "method", "on", "cause", "user", "created_at", "state", "answer_ms", "error"]
    list_filter = ["state", "method", "on", "cause", "created_at"]
    list_select_related = ["device", "user"]
    search_fields = ["device__name", "device__hardware_id", "device__home__name", "user__email"]
    search_help_text = _("Dispositivo, ID de hardware, hogar o correo electrónico de quien lo mandó")
    date_hierarchy = "created_at"
    fields = [
        *(
            "device",
            "channel",
            "method",
            "on",
            "cause",
            "schedule",
            "user",
            "created_at",
            "state",
            "sent_at",
            "expires_at",
            "ended_at",
        ),
        *("was_on", "answer_ms", "error"),
    ]


class ScheduleForm(ModelForm):  # type: ignore[type-arg]  # takes no parameters when it runs
    """A schedule, with its weekdays to tick."""

    weekdays = forms.TypedMultipleChoiceField(
        label=_("días"), coerce=int, choices=list(enumerate(WEEKDAYS, 1)), widget=forms.CheckboxSelectMultiple, required=False
    )


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    """What relays do by the clock, and what came of it."""

    form = ScheduleForm
    list_display = ["device", "channel", "__str__", "is_paused", "next_times", "last_at", "outcome"]
    list_filter = ["action", "is_paused", "last_skip"]
    list_select_related = ["device__home", "last_command"]
    search_fields = ["device__name", "device__hardware_id", "device__home__name"]
    search_help_text = _("Dispositivo, ID de hardware u hogar")
    autocomplete_fields = ["device"]
    fields = [
        *("device", "channel", "action", "time", "weekdays", "after_minutes", "is_paused"),
        *("next_times", "last_at", "outcome"),
    ]
    readonly_fields = ["next_times", "last_at", "outcome"]

    @admin.display(description=_("próximas veces"))
    def next_times(self, schedule: Schedule) -> str:
        """Return the next three, by the home's clock."""
        found = next_times(schedule, now=timezone.now()) if schedule.pk else []
        return ", ".join(f"{at:%Y-%m-%d %H:%M}" for at in found) or "–"

    @admin.display(description=_("qué pasó la última vez"))
    def outcome(self, schedule: Schedule) -> str:
        """Return why it was skipped, else what came of the command."""
        if schedule.last_skip or schedule.last_command is None:
            return schedule.get_last_skip_display() or "–"
        return schedule.last_command.error or schedule.last_command.get_state_display()

    def save_model(self, request: HttpRequest, obj: Schedule, form: "ModelForm[Schedule]", change: bool) -> None:
        """Save, and let it count from now."""
        schedule_save(schedule=obj)

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        """Delete the schedule, with what it has waiting."""
        schedule_delete(schedule=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Delete the schedules, with what they have waiting."""
        for schedule in queryset:
            schedule_delete(schedule=schedule)


@admin.register(DeviceEvent)
class DeviceEventAdmin(ReadOnlyAdmin):
    """What happened to devices."""

    list_display = ["device", "channel", "kind", "at", "ended_at", "details"]
    list_filter = ["kind", ("ended_at", admin.EmptyFieldListFilter), "at"]
    list_select_related = ["device"]
    search_fields = ["device__name", "device__hardware_id", "device__home__name"]
    search_help_text = _("Dispositivo, ID de hardware u hogar")
    date_hierarchy = "at"
    fields = ["device", "channel", "kind", "at", "ended_at", "details"]
