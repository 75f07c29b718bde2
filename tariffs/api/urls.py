"""Paths below /api/v1. Whatever stands for an id gets to the view: what is no id is a bill that isn't there."""

from django.urls import re_path

from tariffs.api import bills, reconciliation
from tariffs.api.outlook import OutlookView
from tariffs.api.prices import PricesView
from tariffs.api.what_if import WhatIfView

urlpatterns = [
    re_path(r"^bills/?$", bills.BillsView.as_view(), name="bills"),
    re_path(r"^bills/(?P<bill_id>[^/]+)/?$", bills.BillView.as_view(), name="bill"),
    re_path(
        r"^bills/(?P<bill_id>[^/]+)/reconciliation/?$", reconciliation.ReconciliationView.as_view(), name="bill-reconciliation"
    ),
    re_path(r"^tariffs/?$", PricesView.as_view(), name="tariffs"),
    re_path(r"^tariffs/outlook/?$", OutlookView.as_view(), name="tariffs-outlook"),
    re_path(r"^tariffs/what-if/?$", WhatIfView.as_view(), name="tariffs-what-if"),
]
