"""What the running cycle will come to."""

import math
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.security.authentication import caller
from common.schema import NEEDS_LOGIN, answer, refusals
from common.views import conditional
from tariffs.cfe.bill import CERTAINTIES
from tariffs.cfe.tariffs import TIER_NAMES, Tier
from tariffs.outlook.cycle_outlook import Ahead, DacOutlook, Generation, NextTier, Outlook
from tariffs.outlook.dac import DAYS_A_MONTH, LEAST_MONTHS
from tariffs.outlook.forecast import LEAST_DAYS
from tariffs.rendering import reasons
from tariffs.selectors.outlook import outlook_of

TIERS = [tier.value for tier in Tier]
NO_BILL = refusals(
    {
        404: ("Tu cuenta no pertenece a ningún hogar.", "Tu hogar no tiene un contrato de suministro."),
        503: "Los precios de CFE de esta tarifa no están cargados.",
    }
)


class CycleSerializer(serializers.Serializer[Any]):
    """The running cycle in local dates, the end inclusive."""

    start = serializers.DateField()
    end = serializers.DateField()
    days_left = serializers.FloatField()


class NowSerializer(serializers.Serializer[Any]):
    """The cycle so far: the best estimate of it, with what it rests on.

    What meters have not seen is estimated from the home's own habits, with an 80 % interval. Where there is nothing to go by yet,
    `kwh_estimated` and the upper ends are null, and `kwh` and the costs are what they are at least. `next_kwh_mxn` is what the next kWh
    adds to the bill: nothing while the minimum is not reached.
    """

    kwh = serializers.FloatField(help_text="Measured and estimated together.")
    kwh_measured = serializers.FloatField()
    kwh_estimated = serializers.FloatField(allow_null=True, help_text="Of the hours that are not known.")
    kwh_low = serializers.FloatField()
    kwh_high = serializers.FloatField(allow_null=True)
    hours_passed = serializers.IntegerField(help_text="Whole hours since the cycle began.")
    hours_known = serializers.FloatField(help_text="How many of them meters have seen, or their counters have told of since.")
    tier = serializers.ChoiceField(choices=TIERS)
    level_name = serializers.CharField()
    kwh_left_in_tier = serializers.IntegerField(allow_null=True)
    next_kwh_mxn = serializers.FloatField()
    price_mxn_per_kwh = serializers.FloatField(help_text="Of this tier, with all taxes.")
    cost_mxn = serializers.FloatField()
    cost_low_mxn = serializers.FloatField()
    cost_high_mxn = serializers.FloatField(allow_null=True)
    cost_if_nothing_more_mxn = serializers.FloatField()
    certainty = serializers.ChoiceField(choices=CERTAINTIES)
    reasons = serializers.ListField(child=serializers.CharField())
    price_month = serializers.CharField()


class ForecastSerializer(serializers.Serializer[Any]):
    """The whole cycle as it will be, with an 80 % interval."""

    kwh = serializers.FloatField()
    kwh_low = serializers.FloatField()
    kwh_high = serializers.FloatField()
    cost_mxn = serializers.FloatField()
    cost_low_mxn = serializers.FloatField()
    cost_high_mxn = serializers.FloatField()


class NextTierSerializer(serializers.Serializer[Any]):
    """The tier that follows. The dates are null where it does not begin in this cycle, or nobody knows."""

    tier = serializers.ChoiceField(choices=TIERS)
    level_name = serializers.CharField()
    begins_after_kwh = serializers.IntegerField()
    on = serializers.DateField(allow_null=True)
    earliest = serializers.DateField(allow_null=True)
    latest = serializers.DateField(allow_null=True)
    kwh_per_day_to_avoid = serializers.FloatField(allow_null=True)


class DacSerializer(serializers.Serializer[Any]):
    """Where the home stands towards DAC, averages in kWh a month. A home in DAC leaves it on `crosses_on`, another one enters.

    Months that nobody knows count as the average of those known. With less than six months known nothing is said of what is to come.
    Intervals hold four times in five. `note` says what keeps the home from a date, or a date from being certain.
    """

    is_in_dac = serializers.BooleanField()
    limit_kwh_month = serializers.IntegerField()
    average_kwh_month = serializers.FloatField(allow_null=True)
    average_low_kwh_month = serializers.FloatField(allow_null=True)
    average_high_kwh_month = serializers.FloatField(allow_null=True)
    average_at_end_kwh_month = serializers.FloatField(allow_null=True, help_text="When the running cycle ends.")
    months_known = serializers.IntegerField(help_text="On paper or measured, of twelve.")
    months_estimated = serializers.IntegerField(help_text="How many are in bills of which hours are estimated.")
    crosses_on = serializers.DateField(allow_null=True, help_text="Null: not within a year at this pace.")
    crosses_earliest = serializers.DateField(allow_null=True)
    crosses_latest = serializers.DateField(allow_null=True, help_text="Null: perhaps not within a year.")
    months_until = serializers.IntegerField(allow_null=True)
    pace_kwh_per_day = serializers.FloatField(
        allow_null=True, help_text="Until `crosses_on`, or the reading that is nearest to the limit."
    )
    kwh_per_day_to_stay_below = serializers.FloatField(
        allow_null=True,
        help_text="From now on: keeps the home out of DAC for a year, or less of it leads it out in one. 0: nothing does any more.",
    )
    added_mxn = serializers.FloatField(allow_null=True, help_text="What DAC adds to this cycle's bill.")
    note = serializers.CharField(allow_null=True)


class GenerationSerializer(serializers.Serializer[Any]):
    """Energy that the home returned to the grid. Under net metering it and the credit are taken from what is billed, which all else says.

    Under net billing the returned energy is paid by the hour at a price that nobody knows beforehand, and the bill is of what was drawn.
    """

    scheme = serializers.CharField(help_text="The contract's `generation`.")
    drawn_kwh = serializers.FloatField(help_text="What was drawn in this cycle, measured and estimated.")
    returned_kwh = serializers.FloatField(help_text="What was returned in this cycle, as far as it was measured.")
    credit_kwh = serializers.FloatField(help_text="What the cycles of the last twelve months left for this one.")


class OutlookSerializer(serializers.Serializer[Any]):
    """The running cycle and where it leads; `forecast_note` says why there is no forecast."""

    cycle = CycleSerializer()
    now = NowSerializer()
    forecast = ForecastSerializer(allow_null=True)
    forecast_note = serializers.CharField(allow_null=True)
    next_tier = NextTierSerializer(allow_null=True)
    dac = DacSerializer(allow_null=True)
    generation = GenerationSerializer(allow_null=True, help_text="Null where nothing is returned, by contract and meters.")


def outlook_json(outlook: Outlook) -> dict[str, Any]:
    """Return an outlook in the form of OutlookSerializer."""
    now = outlook.now
    tier, so_far, is_bounded = now.position.tier, now.so_far, now.so_far.missing is not None
    return {
        "cycle": {"start": outlook.cycle.start, "end": outlook.cycle.last_day, "days_left": round(outlook.days_left, 2)},
        "now": {
            "kwh": round(now.kwh, 3),
            "kwh_measured": round(so_far.measured_kwh, 3),
            "kwh_estimated": so_far.missing and round(so_far.missing.expected, 3),
            "kwh_low": round(so_far.kwh.low, 3),
            "kwh_high": round(so_far.kwh.high, 3) if is_bounded else None,
            "hours_passed": so_far.hours_passed,
            "hours_known": round(so_far.hours_known, 1),
            "tier": tier,
            "level_name": TIER_NAMES[tier],
            "kwh_left_in_tier": now.position.kwh_left,
            "next_kwh_mxn": now.next_kwh_mxn,
            "price_mxn_per_kwh": round(now.position.price_mxn_per_kwh, 4),
            "cost_mxn": now.cost_mxn.expected,
            "cost_low_mxn": now.cost_mxn.low,
            "cost_high_mxn": now.cost_mxn.high if is_bounded else None,
            "cost_if_nothing_more_mxn": now.bill.grand_total,
            "certainty": now.bill.certainty,
            "reasons": reasons(now.bill),
            "price_month": f"{now.bill.price_month:%Y-%m}",
        },
        "forecast": outlook.ahead and _forecast(outlook.ahead),
        "forecast_note": None if outlook.days_known is None else _note(outlook.days_known),
        "next_tier": outlook.next_tier and _next_tier(outlook.next_tier),
        "dac": outlook.dac and _dac(outlook.dac, outlook),
        "generation": outlook.generation and _generation(outlook.generation),
    }


def _generation(found: Generation) -> dict[str, Any]:
    kwh = {name: round(value, 3) for name, value in found._asdict().items() if name != "scheme"}
    return {"scheme": found.scheme, **kwh}


def _note(days: float) -> str:
    if days < 1:
        return _("Para un pronóstico hacen falta %(least)d días de datos; por ahora hay menos de uno.") % {"least": LEAST_DAYS}
    text = _("Para un pronóstico hacen falta %(least)d días de datos; por ahora hay %(days).1f.")
    return text % {"least": LEAST_DAYS, "days": int(days * 10) / 10}


def _forecast(ahead: Ahead) -> dict[str, Any]:
    return {
        "kwh": round(ahead.kwh.expected, 1),
        "kwh_low": round(ahead.kwh.low, 1),
        "kwh_high": round(ahead.kwh.high, 1),
        "cost_mxn": ahead.cost_mxn.expected,
        "cost_low_mxn": ahead.cost_mxn.low,
        "cost_high_mxn": ahead.cost_mxn.high,
    }


def _next_tier(tier: NextTier) -> dict[str, Any]:
    crossing = tier.crossing
    return {
        "tier": tier.tier,
        "level_name": TIER_NAMES[tier.tier],
        "begins_after_kwh": tier.begins_after_kwh,
        "on": crossing and crossing.expected,
        "earliest": crossing and crossing.earliest,
        "latest": crossing and crossing.latest,
        "kwh_per_day_to_avoid": _rounded(tier.kwh_per_day_to_avoid),
    }


def _dac(found: DacOutlook, outlook: Outlook) -> dict[str, Any]:
    dac, crossing = found.projection, found.projection.crossing
    stay, expected = dac.kwh_per_day_to_stay_below, crossing and crossing.expected
    return {
        "is_in_dac": found.is_in,
        "limit_kwh_month": dac.limit_kwh_month,
        "average_kwh_month": dac.average and _rounded(dac.average.expected),
        "average_low_kwh_month": dac.average and _rounded(dac.average.low),
        "average_high_kwh_month": dac.average and _rounded(dac.average.high),
        "average_at_end_kwh_month": dac.average_at_end and _rounded(dac.average_at_end.expected),
        "months_known": dac.months_known,
        "months_estimated": dac.months_estimated,
        "crosses_on": expected,
        "crosses_earliest": crossing and crossing.earliest,
        "crosses_latest": crossing and crossing.latest,
        "months_until": expected and _months_until(outlook, expected),
        "pace_kwh_per_day": _rounded(dac.pace_kwh_per_day),
        "kwh_per_day_to_stay_below": None if stay is None else math.floor(stay * 100) / 100,
        "added_mxn": found.added_mxn,
        "note": dac_note(found),
    }


def dac_note(found: DacOutlook) -> str | None:
    """Return why there is no date of DAC, or what may keep it from coming true."""
    dac, crossing = found.projection, found.projection.crossing
    if dac.average_at_end is None:
        text = _("Para una fecha de DAC hacen falta %(least)d meses de consumo conocido; por ahora hay %(months)d.")
        return text % {"least": LEAST_MONTHS, "months": dac.months_known}
    if dac.is_first_year:
        return _("En el primer año del suministro no hay DAC.")
    if crossing and crossing.expected and found.is_in and crossing.latest != crossing.expected:
        if crossing.latest is None:
            return _("Con un consumo en la parte alta del intervalo, el hogar no sale de DAC dentro de un año.")
        text = _("Con un consumo en la parte alta del intervalo, el hogar no sale de DAC hasta el %(day)s.")
        return text % {"day": f"{crossing.latest:%d/%m/%Y}"}
    if crossing and crossing.expected and not found.is_in and dac.kwh_per_day_to_stay_below == 0:
        return _("La entrada a DAC ya no se evita: los recibos anteriores bastan para pasar el límite.")
    return None


def _months_until(outlook: Outlook, day: date) -> int:
    """Return the months from now to a reading, the last one begun included."""
    return math.ceil(((day - outlook.cycle.end).days + outlook.days_left) / DAYS_A_MONTH)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


EXAMPLE = {
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


@conditional
class OutlookView(APIView):
    """The running cycle and where it leads."""

    @extend_schema(
        operation_id="tariffs_outlook",
        tags=["tariffs"],
        summary="Read where the running cycle leads",
        description=(
            "The tier and the price of the next kWh; energy and cost at the end of the cycle with an 80 % interval, from the home's own "
            "last weeks; when the next tier begins; and how far the home is from DAC, or from leaving it."
        ),
        request=None,
        responses={200: answer(OutlookSerializer, EXAMPLE), **NEEDS_LOGIN, **NO_BILL},
    )
    def get(self, request: Request) -> Response:
        """Return the outlook of the caller's home."""
        return Response(OutlookSerializer(outlook_json(outlook_of(caller(request).home, timezone.now()))).data)
