"""Paths below /api/v1. Whatever stands for an id gets to the view: what is no id is a device that isn't there."""

from django.urls import re_path

from devices.api.views import DeviceViewSet, ProofView

collection = DeviceViewSet.as_view({"get": "list", "post": "create"})
item = DeviceViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})

urlpatterns = [
    re_path(r"^devices/?$", collection, name="devices"),
    re_path(r"^devices/nearby/?$", DeviceViewSet.as_view({"get": "nearby"}), name="devices-nearby"),
    re_path(r"^devices/proof/?$", ProofView.as_view(), name="devices-proof"),
    re_path(r"^devices/(?P<device_id>[^/]+)/?$", item, name="device"),
    re_path(r"^devices/(?P<device_id>[^/]+)/status/?$", DeviceViewSet.as_view({"patch": "toggle"}), name="device-status"),
    re_path(r"^devices/(?P<device_id>[^/]+)/replace/?$", DeviceViewSet.as_view({"post": "replace"}), name="device-replace"),
    re_path(r"^devices/(?P<device_id>[^/]+)/events/?$", DeviceViewSet.as_view({"get": "events"}), name="device-events"),
    re_path(
        r"^devices/(?P<device_id>[^/]+)/setup/?$",
        DeviceViewSet.as_view({"get": "setup_read", "post": "setup_with_key"}),
        name="device-setup",
    ),
    re_path(
        r"^devices/(?P<device_id>[^/]+)/key/?$",
        DeviceViewSet.as_view({"post": "rotate_key", "patch": "require_key"}),
        name="device-key",
    ),
]
