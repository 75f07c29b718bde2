"""The whole application plus a path whose view does nothing: the cost of Django and its middleware under Daphne."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ecowatt.asgi import application  # isort: skip – it sets up Django

import ecowatt.urls

__all__ = ["application"]
PATH = "/empty"


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


ecowatt.urls.urlpatterns.insert(0, path(PATH[1:], empty))
