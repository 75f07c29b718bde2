"""The zone of times in the admin."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone


def in_mexican_time(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Show and take times in the admin as they are in most of Mexico; what is stored, and the API, stay in UTC."""
    zone = ZoneInfo(settings.ADMIN_TIME_ZONE)

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin"):
            return get_response(request)
        with timezone.override(zone):
            return get_response(request)

    return middleware
