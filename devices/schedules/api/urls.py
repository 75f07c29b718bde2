"""Paths below /api/v1/devices."""

from django.urls import re_path

from devices.schedules.api.views import ScheduleViewSet

DEVICE = r"^devices/(?P<device_id>[^/]+)/schedules"
urlpatterns = [
    re_path(rf"{DEVICE}/?$", ScheduleViewSet.as_view({"get": "list", "post": "create"})),
    re_path(rf"{DEVICE}/(?P<schedule_id>[^/]+)/?$", ScheduleViewSet.as_view({"patch": "partial_update", "delete": "destroy"})),
]
