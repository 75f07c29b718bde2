"""The OpenAPI schema and Swagger UI."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

# The collections are known with a slash at the end, everything else without; the API takes both forms of each.
COLLECTIONS = ("/api/v1/users/", "/api/v1/devices/")
# The page works offline: a browser that keeps to this policy asks no host but ours.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def documented_paths(endpoints: Iterable[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Give each path as the mobile app spells it."""
    return [(name if name in COLLECTIONS else name.rstrip("/"), regex, method, view) for name, regex, method, view in endpoints]


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files."""

    title = "EcoWatt API"

    @extend_schema(exclude=True)
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response["Content-Security-Policy"] = POLICY
        return response


urlpatterns = [
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", DocsView.as_view(url_name="schema"), name="docs"),
]
