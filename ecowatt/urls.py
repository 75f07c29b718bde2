"""Every path of the site. A slash at the end is optional everywhere, without a redirect."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path, re_path
from django.utils.translation import gettext as _
from django.views.i18n import JavaScriptCatalog


def greeting(request: HttpRequest) -> JsonResponse:
    """Answer the root path, so that a person with a browser knows where they are."""
    return JsonResponse({"message": _("Bienvenido a EcoWatt."), "docs": "/docs", "api": "/api/v1"})


def admin_login(request: HttpRequest) -> HttpResponse:
    """Answer the admin's login; one for which it is too early gets the API's status."""
    answer: HttpResponse = admin.site.login(request)
    form = (getattr(answer, "context_data", None) or {}).get("form")
    if wait_s := getattr(form, "retry_after_s", 0):
        answer.status_code, answer["Retry-After"] = 429, str(wait_s)
    return answer


urlpatterns = [
    path("", greeting, name="greeting"),
    re_path(r"^admin/login/?$", admin_login),
    # The admin's own catalogue of its scripts' texts, with ours over it.
    path("admin/jsi18n/", JavaScriptCatalog.as_view(packages=["django.contrib.admin", "ecowatt"])),
    path("admin/", admin.site.urls),
    re_path(r"^admin$", admin.site.admin_view(admin.site.index)),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("devices.api.urls")),
    path("api/v1/", include("devices.control.api.urls")),
    path("api/v1/", include("devices.schedules.api.urls")),
    path("api/v1/", include("telemetry.api.urls")),
    path("api/v1/", include("telemetry.limits.api.urls")),
    path("api/v1/", include("tariffs.api.urls")),
    path("api/v1/", include("reports.api.urls")),
    path("", include("ecowatt.api_docs")),
]
handler400 = "common.error_responses.bad_request"
handler403 = "common.error_responses.permission_denied"
handler404 = "common.error_responses.not_found"
handler500 = "common.error_responses.server_error"
