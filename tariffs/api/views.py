"""CFE's prices for everybody; the outlook, what if, and the paper bills of the caller's home."""

from typing import Any

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.serializers import TermsSerializer
from accounts.models import Home
from accounts.security.authentication import caller
from accounts.selectors import home_to_change
from common.request_serializers import validated, validated_query
from common.views import OpenView, conditional
from devices.selectors import device_of_home
from tariffs import services
from tariffs.api import schema
from tariffs.api.serializers.bills import BillAddSerializer, BillSerializer, ReconciliationSerializer
from tariffs.api.serializers.outlook import OutlookSerializer
from tariffs.api.serializers.prices import PricesQuery, PricesSerializer
from tariffs.api.serializers.what_if import ComparisonSerializer, WhatIfSerializer
from tariffs.models import PaperBill
from tariffs.outlook.what_if import DeviceHours, WhatIf
from tariffs.selectors.outlook import outlook_of
from tariffs.selectors.paper_bills import explained_bill, paper_bill_get, paper_bill_warnings, paper_bills_of
from tariffs.selectors.prices import mexican_today, price_list
from tariffs.selectors.what_if import compare

CACHE_S = 3600  # prices change once a month
TERMS = tuple(TermsSerializer().fields)


@method_decorator(conditional_page, name="dispatch")
class PricesView(OpenView):
    @schema.prices
    def get(self, request: Request) -> Response:
        asked = validated_query(PricesQuery, request)
        day = asked.get("date", mexican_today())
        prices = price_list(day, tariff=asked.get("tariff"), state=asked.get("state", ""))
        body = PricesSerializer({"month": day, "tariffs": prices}).data
        return Response(body, headers={"Cache-Control": f"public, max-age={CACHE_S}"})  # a refusal is nobody's to keep


@conditional
class OutlookView(APIView):
    @schema.outlook
    def get(self, request: Request) -> Response:
        return Response(OutlookSerializer(outlook_of(caller(request).home, timezone.now())).data)


class WhatIfView(APIView):
    @schema.what_if
    def post(self, request: Request) -> Response:
        asked = validated(WhatIfSerializer, request)
        home = caller(request).home
        terms = {name: asked[name] for name in TERMS if name in asked}
        what_if = WhatIf(terms, asked.get("kwh"), asked.get("budget_mxn"), _device_hours(home, asked.get("device")))
        return Response(ComparisonSerializer(compare(home, timezone.now(), what_if, asked.get("base_kwh"))).data)


def _device_hours(home: Home, asked: dict[str, Any] | None) -> DeviceHours | None:
    """Return the device's hours. Raises DeviceNotFound for a device of another home."""
    if asked is None:
        return None
    device = device_of_home(home=home, device_id=asked["device_id"])
    return DeviceHours(device.pk, asked.get("channel"), asked["start_hour"], asked["end_hour"], asked["cut"], asked["move"])


class BillsView(APIView):
    @schema.bill_list
    def get(self, request: Request) -> Response:
        return Response(BillSerializer(paper_bills_of(caller(request).home), many=True).data)

    @schema.bill_add
    def post(self, request: Request) -> Response:
        home = home_to_change(caller(request))
        asked = validated(BillAddSerializer, request, today=home.today)
        if not asked.pop("confirm") and (warnings := paper_bill_warnings(PaperBill(home=home, **asked))):
            raise serializers.ValidationError(warnings, "implausible")
        bill = services.paper_bill_add(home=home, **asked)
        return Response(BillSerializer(bill).data, status=status.HTTP_201_CREATED)


class BillView(APIView):
    @schema.bill_delete
    def delete(self, request: Request, bill_id: str) -> Response:
        services.paper_bill_delete(bill=paper_bill_get(home=home_to_change(caller(request)), bill_id=bill_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReconciliationView(APIView):
    @schema.reconciliation
    def get(self, request: Request, bill_id: str) -> Response:
        bill = paper_bill_get(home=caller(request).home, bill_id=bill_id)
        return Response(ReconciliationSerializer(explained_bill(bill)).data)
