"""The whole application with one more path, whose view does nothing: what Django and its middleware cost under Daphne."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ecowatt.asgi import application  # isort: skip – it sets Django up

import ecowatt.urls

__all__ = ["application"]
PATH = "/empty"


def empty(request: HttpRequest) -> HttpResponse:
    """Answer."""
    return HttpResponse(b"{}", content_type="application/json")


ecowatt.urls.urlpatterns.insert(0, path(PATH[1:], empty))
