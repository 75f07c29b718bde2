"""The schedule, in this admin's look. Migrations add the tasks; staff decide when they run."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin

TASKS = {
    "accounts.tasks.sessions_cleanup": _("Borrar sesiones y códigos vencidos"),
    "devices.tasks.broker_accounts_apply": _("Actualizar las cuentas de los dispositivos en el broker"),
    "devices.tasks.presence_sweep": _("Marcar sin conexión los dispositivos callados"),
    "telemetry.tasks.limits_check": _("Apagar los circuitos que rebasan un límite"),
    "devices.tasks.schedules_run": _("Cumplir los horarios de los circuitos"),
    "telemetry.tasks.partitions_maintain": _("Mantener las particiones"),
    "telemetry.tasks.rollup": _("Calcular la energía"),
    "tariffs.tasks.prices_check": _("Revisar que los precios del mes estén publicados"),
}

admin.site.unregister([ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule])


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ModelAdmin):
    """Tasks with an interval or a crontab; one of them, never both."""

    list_display = ("title", "enabled", "timing", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    list_select_related = ("interval", "crontab")
    search_fields = ("name", "task")
    fields = ("title", "code", "enabled", "interval", "crontab", "last_run_at", "total_run_count")
    readonly_fields = ("title", "code", "last_run_at", "total_run_count")

    @admin.display(description=_("tarea"), ordering="name")
    def title(self, task: PeriodicTask) -> str:
        return str(TASKS.get(task.task, task.name))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        task = self.get_object(request, object_id)
        subtitle = {"subtitle": self.title(task)} if task else {}
        answer: HttpResponse = super().change_view(request, object_id, form_url, subtitle | (extra_context or {}))
        return answer

    @admin.display(description=_("programación"))
    def timing(self, task: PeriodicTask) -> str:
        return str(task.interval or task.crontab or "–")

    @admin.display(description=_("función"))
    def code(self, task: PeriodicTask) -> str:
        return str(task.task)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a task is code

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # no migration would add it again; it can be switched off


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    """Every so many seconds, minutes, hours or days."""

    list_display = ("__str__", "every", "period")


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ModelAdmin):
    """At the times of a crontab line."""

    list_display = ("__str__", "minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")
    fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")
