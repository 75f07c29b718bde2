"""Paths below /api/v1."""

from django.urls import re_path

from tariffs.api.prices import PricesView

urlpatterns = [
    re_path(r"^tariffs/?$", PricesView.as_view(), name="tariffs"),
]
