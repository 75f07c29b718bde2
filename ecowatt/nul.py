"""The character that PostgreSQL's texts can't hold, where no form looks at the words: in the URLs of the admin."""

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return the middleware that answers 400 to it."""

    def refuse(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin") and "%00" in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("NUL in the query")
        return get_response(request)

    return refuse
