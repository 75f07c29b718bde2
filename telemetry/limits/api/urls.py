"""Paths below /api/v1/devices/{device_id}/limits."""

from django.urls import re_path

from telemetry.limits.api.views import LimitViewSet

ACTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {"get": "list", "post": "create"}),
    ("/dry-run", {"post": "dry_run"}),
    ("/(?P<limit_id>[^/]+)", {"patch": "partial_update", "delete": "destroy"}),
    ("/(?P<limit_id>[^/]+)/dry-run", {"post": "stored_dry_run"}),
)
urlpatterns = [
    re_path(rf"^devices/(?P<device_id>[^/]+)/limits{path}/?$", LimitViewSet.as_view(dict(actions))) for path, actions in ACTIONS
]
