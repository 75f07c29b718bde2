"""Refuses NUL, which PostgreSQL's texts can't hold, where no form validates: in the query of the admin's URLs, and in cookies.

A cookie may spell it in digits, and the session cookie is looked up in the database.
"""

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return the middleware that answers 400 to it."""

    def refuse(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin") and "%00" in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("NUL in the query")
        if any("\0" in value for value in request.COOKIES.values()):
            raise SuspiciousOperation("NUL in a cookie")
        return get_response(request)

    return refuse
