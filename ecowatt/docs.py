"""Paths of the API's own description."""

from collections.abc import Iterable
from typing import Any

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

# The collections are known with a slash at the end, everything else without; the API takes both forms of each.
COLLECTIONS = ("/api/v1/users/", "/api/v1/devices/")


def documented_paths(endpoints: Iterable[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Name each path the one way that the app uses."""
    return [(name if name in COLLECTIONS else name.rstrip("/"), regex, method, view) for name, regex, method, view in endpoints]


urlpatterns = [
    path("openapi.json", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
