"""Paths below /api/v1/control."""

from django.urls import re_path

from devices.control.api.views import ControlViewSet

ACTIONS = (
    ("toggle", {"post": "toggle"}),
    ("on", {"post": "turn_on"}),
    ("off", {"post": "turn_off"}),
    ("set", {"post": "set"}),
    ("status", {"get": "status"}),
    ("history", {"get": "history"}),
    ("waiting", {"get": "waiting"}),
    ("waiting/(?P<command_id>[^/]+)", {"delete": "cancel"}),
)
urlpatterns = [
    re_path(rf"^control/(?P<device_id>[^/]+)/{path}/?$", ControlViewSet.as_view(dict(actions))) for path, actions in ACTIONS
]
