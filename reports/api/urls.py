"""Paths below /api/v1."""

from django.urls import URLPattern, re_path

from reports.api.views import DashboardSummaryView

urlpatterns: list[URLPattern] = [
    re_path(r"^dashboard/summary/?$", DashboardSummaryView.as_view(), name="dashboard-summary"),
]
