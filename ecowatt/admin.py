"""The schedule in this admin's look. The tasks come with migrations; staff say when they run."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin

admin.site.unregister([ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule])


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ModelAdmin):
    """Tasks with an interval or a crontab; one of them, never both."""

    list_display = ("name", "enabled", "timing", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    list_select_related = ("interval", "crontab")
    search_fields = ("name", "task")
    fields = ("name", "code", "enabled", "interval", "crontab", "last_run_at", "total_run_count")
    readonly_fields = ("name", "code", "last_run_at", "total_run_count")

    @admin.display(description=_("programación"))
    def timing(self, task: PeriodicTask) -> str:
        """Return when the task runs."""
        return str(task.interval or task.crontab or "–")

    @admin.display(description=_("tarea"))
    def code(self, task: PeriodicTask) -> str:
        """Return the name of the function that runs."""
        return str(task.task)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a task is code."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing would bring it back; it can be switched off."""
        return False


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    """Every so many seconds, minutes, hours or days."""

    list_display = ("__str__", "every", "period")


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ModelAdmin):
    """At the times of a crontab line."""

    list_display = ("__str__", "minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")
    fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")
