"""Paths below /api/v1; the readings' way in is in ecowatt.asgi."""

from django.urls import re_path

from telemetry.api.views import ExportView, GraphView, LastSevenDaysView, ReadingsView

urlpatterns = [
    re_path(r"^history/graph/?$", GraphView.as_view(), name="history-graph"),
    re_path(r"^history/last7days/?$", LastSevenDaysView.as_view(), name="history-last7days"),
    re_path(r"^devices/(?P<device_id>[^/]+)/readings/?$", ReadingsView.as_view(), name="device-readings"),
    re_path(r"^history/export/?$", ExportView.as_view(), name="history-export"),
]
