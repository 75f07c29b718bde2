"""How the tariffs' and bills' endpoints describe themselves in the OpenAPI schema."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from accounts.api.fields import RATES
from accounts.exceptions import NoContract, NoHome, NoHomeToChange, ViewerMayNotChange
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from devices.exceptions import DeviceNotFound
from tariffs.api.serializers.bills import FUTURE, BillAddSerializer, BillSerializer, ReconciliationSerializer
from tariffs.api.serializers.outlook import OutlookSerializer
from tariffs.api.serializers.prices import WRONG_DATE, PricesSerializer
from tariffs.api.serializers.what_if import KWH, ComparisonSerializer, WhatIfSerializer
from tariffs.exceptions import BillNotFound, BillOverlaps, PricesMissing

NO_BILL = refusals(NoHome, NoContract, PricesMissing)
VIEWER = refusals(ViewerMayNotChange, NoHomeToChange)

PRICES = {
    "month": "2026-11",
    "tariffs": [
        {
            "tariff": "1",
            "region": "nacional",
            "season": "todo_el_ano",
            "price_month": "2026-11",
            "fixed_charge_mxn_month": None,
            "scheme": None,
            "tiers": [
                {
                    "tier": "basico",
                    "level_name": "Básico",
                    "price_mxn_per_kwh": 1.148,
                    "lower_kwh_month": 0,
                    "upper_kwh_month": 75,
                    "provenance": "derived",
                },
            ],
        },
    ],
}
OUTLOOK = {
    "cycle": {"start": "2026-11-12", "end": "2026-12-11", "days_left": 18.4},
    "now": {
        "kwh": 212.481,
        "kwh_measured": 190.236,
        "kwh_estimated": 22.245,
        "kwh_low": 207.912,
        "kwh_high": 217.03,
        "hours_passed": 278,
        "hours_known": 250.5,
        "tier": "excedente",
        "level_name": "Excedente",
        "kwh_left_in_tier": None,
        "next_kwh_mxn": 4.7,
        "price_mxn_per_kwh": 4.7003,
        "cost_mxn": 472.1,
        "cost_low_mxn": 453.28,
        "cost_high_mxn": 495.61,
        "cost_if_nothing_more_mxn": 472.1,
        "certainty": "estimate",
        "reasons": [
            "Faltan mediciones de una parte del periodo: su consumo se estimó con los hábitos del hogar.",
            "Un precio no se ha visto impreso: se dedujo de otro con el factor mensual del año.",
        ],
        "price_month": "2026-11",
    },
    "forecast": {
        "kwh": 540.2,
        "kwh_low": 498.7,
        "kwh_high": 585.3,
        "cost_mxn": 2013.5,
        "cost_low_mxn": 1817.0,
        "cost_high_mxn": 2228.4,
    },
    "forecast_note": None,
    "next_tier": None,
    "dac": {
        "is_in_dac": False,
        "limit_kwh_month": 400,
        "average_kwh_month": 371.5,
        "average_low_kwh_month": 368.9,
        "average_high_kwh_month": 374.1,
        "average_at_end_kwh_month": 383.2,
        "months_known": 12,
        "months_estimated": 1,
        "crosses_on": "2027-02-12",
        "crosses_earliest": "2027-01-12",
        "crosses_latest": "2027-03-12",
        "months_until": 3,
        "pace_kwh_per_day": 18.02,
        "kwh_per_day_to_stay_below": 13.14,
        "added_mxn": 2480.11,
        "note": None,
    },
    "generation": None,
}
PAPER_BILL_ASKED = {"period_start": "2026-04-18", "period_end": "2026-06-20", "kwh": 328, "total_mxn": 404.0}
PAPER_BILL = {"id": 7, **PAPER_BILL_ASKED, "days": 63, "average_kwh_day": 5.21}
RECONCILIATION: dict[str, Any] = {
    "note": None,
    "certainty": "exact",
    "reasons": [],
    "bill": PAPER_BILL,
    "contract": {"tariff": "1b", "billing_months": 2, "summer_start_month": 4},
    "measured_by": "circuits",
    "known_share": 0.95,
    "measured_kwh": 300.2,
    "billed_kwh": 328,
    "difference_kwh": 27.8,
    "kwh_parts": {"no_data": 16.0, "circuits_not_measured": 12.0, "meter_difference": 0.0, "rounding": -0.2},
    "measured_cost_mxn": 309.15,
    "paid_mxn": 404.0,
    "difference_mxn": 94.85,
    "mxn_parts": {
        "no_data": 18.61,
        "circuits_not_measured": 13.95,
        "meter_difference": 0.0,
        "dap_and_tax": 63.21,
        "price_or_tariff": 0.0,
        "rounding": -0.92,
    },
    "calculated_mxn": 404.92,
    "suggestions": [],
}
LINE = {"season": "verano", "price_month": "2026-05"}
CALCULATED_BILL = {
    "kwh": 328,
    "lines": [
        {"tier": "basico", "kwh": 250, "price": 1.004, "amount": 251.0, **LINE},
        {"tier": "intermedio", "kwh": 78, "price": 1.163, "amount": 90.71, **LINE},
    ],
    "fixed_charge": 0.0,
    "energy_subtotal": 341.71,
    "iva": 54.67,
    "period_total": 396.38,
    "dap": 8.54,
    "discount": 0.0,
    "other": 0.0,
    "grand_total": 404.92,
    "carried_in": 0.0,
    "amount_to_pay": 404,
    "carried_out": 0.92,
    "price_month": "2026-05",
    "season": "verano",
    "certainty": "exact",
    "reasons": [],
}
COMPARED_BILL = {
    "period_start": "2026-04-18",
    "period_end": "2026-06-19",
    "tariff": "1b",
    "billing_months": 2,
    "mxn_per_month": 202.46,
    "year_mxn": None,
    "bill": CALCULATED_BILL,
}
COMPARISON = {
    "base": COMPARED_BILL,
    "other": COMPARED_BILL,
    "difference_mxn_per_month": 0.0,
    "saved_kwh": None,
    "note": None,
}

prices = extend_schema(
    operation_id="tariffs",
    tags=["tariffs"],
    summary="Read CFE's prices",
    description=(
        "The prices of the month of a date, before IVA, in each season. Where a season has none in that month, `price_month` "
        "names the last one before it, whose prices stand in. Needs no login, and anybody may keep the answer for an hour."
    ),
    parameters=[
        OpenApiParameter("date", OpenApiTypes.DATE, description="Any date of the month; today if it is missing."),
        OpenApiParameter("tariff", OpenApiTypes.STR, enum=RATES, description="One tariff; all if it is missing."),
        OpenApiParameter(
            "state", OpenApiTypes.STR, description="A state, such as SON or Sonora: tiers have the limits of its schemes."
        ),
    ],
    request=None,
    responses={
        200: answer(PricesSerializer, PRICES),
        **invalid("date", WRONG_DATE, value="ayer", place="query"),
    },
)
outlook = extend_schema(
    operation_id="tariffs_outlook",
    tags=["tariffs"],
    summary="Read where the running cycle leads",
    description=(
        "The tier and the price of the next kWh; energy and cost at the end of the cycle with an 80 % interval, from the home's own "
        "last weeks; when the next tier begins; and how far the home is from DAC, or from leaving it."
    ),
    request=None,
    responses={200: answer(OutlookSerializer, OUTLOOK), **NEEDS_LOGIN, **NO_BILL},
)
what_if = extend_schema(
    operation_id="tariffs_what_if",
    tags=["tariffs"],
    summary="Compare the cycle's bill with another one",
    description=(
        "Two bills side by side: that of the running cycle as forecast (or of `base_kwh`), and the one that would come with other "
        "kWh (or those that a sum buys), other terms of the contract, or a device's hours cut or moved. A cut counts "
        "from now to the cycle's end. Bills of different length are compared over a year. Nothing is stored."
    ),
    request=WhatIfSerializer,
    responses={
        200: answer(ComparisonSerializer, COMPARISON),
        **NEEDS_LOGIN,
        **refusals(DeviceNotFound, NoHome, NoContract, PricesMissing),
        **invalid("kwh", KWH, value=-1, kind="min_value"),
    },
    examples=asking(
        {"tariff": "1c", "billing_months": 2, "device": {"device_id": 7, "start_hour": 22, "end_hour": 6, "cut": 0.5}}
    ),
)
bill_list = extend_schema(
    operation_id="bills",
    tags=["bills"],
    summary="List the paper bills",
    description="The paper bills of the home as a plain array, the newest first.",
    responses={
        200: answer(BillSerializer(many=True), PAPER_BILL),
        **NEEDS_LOGIN,
        **refusals(NoHome),
    },
)
bill_add = extend_schema(
    operation_id="bill_add",
    tags=["bills"],
    summary="Type in a paper bill",
    description=(
        "Dates are as they are printed, so that a bill starts on the date on which the one before ends. A bill that is newer "
        "than the last reading that the contract knows sets, from its end on, the days and the months of the billing cycles. "
        "Figures that no home has, or that are far from the tariff's prices, the home's past or its meters, are refused (422 of "
        "type `implausible`) unless `confirm` says that they are printed so."
    ),
    request=BillAddSerializer,
    responses={
        201: answer(BillSerializer, PAPER_BILL),
        **NEEDS_LOGIN,
        **VIEWER,
        **refusals(BillOverlaps),
        **invalid("period_end", FUTURE, value="2126-06-20"),
    },
    examples=asking(PAPER_BILL_ASKED),
)
bill_delete = extend_schema(
    operation_id="bill_delete",
    tags=["bills"],
    summary="Delete a paper bill",
    description="The contract forgets the reading that the newest bill has told it of, if nothing was changed since.",
    responses={
        204: OpenApiResponse(description="It is gone."),
        **NEEDS_LOGIN,
        **VIEWER,
        **refusals(BillNotFound),
    },
)
reconciliation = extend_schema(
    operation_id="bill_reconciliation",
    tags=["bills"],
    summary="Compare a paper bill with what was measured",
    description=(
        "The difference between the billed kWh and the measured ones, and between what was paid and the energy of the "
        "measured ones, in parts. A part may be negative. Where the home's contract does not explain what was paid, "
        "`suggestions` names the tariffs that would."
    ),
    responses={
        200: answer(ReconciliationSerializer, RECONCILIATION),
        **NEEDS_LOGIN,
        **refusals(BillNotFound, NoHome, NoContract, PricesMissing),
    },
)
