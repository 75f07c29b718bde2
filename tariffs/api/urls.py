"""Paths below /api/v1. Whatever stands for an id gets to the view: what is no id is a bill that isn't there."""

from django.urls import re_path

from tariffs.api import views

urlpatterns = [
    re_path(r"^bills/?$", views.BillsView.as_view(), name="bills"),
    re_path(r"^bills/(?P<bill_id>[^/]+)/?$", views.BillView.as_view(), name="bill"),
    re_path(r"^bills/(?P<bill_id>[^/]+)/reconciliation/?$", views.ReconciliationView.as_view(), name="bill-reconciliation"),
    re_path(r"^tariffs/?$", views.PricesView.as_view(), name="tariffs"),
    re_path(r"^tariffs/outlook/?$", views.OutlookView.as_view(), name="tariffs-outlook"),
    re_path(r"^tariffs/what-if/?$", views.WhatIfView.as_view(), name="tariffs-what-if"),
]
