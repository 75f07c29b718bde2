"""CFE's prices, for everybody."""

from itertools import groupby
from typing import Any

from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import conditional_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import RATES, RateField, StateField
from common.fields import sentences
from common.schema import answer, invalid
from common.views import OpenView
from tariffs.cfe.prices import Rate
from tariffs.cfe.schemes import SchemeTerms
from tariffs.cfe.tariffs import TIER_NAMES, Provenance, Season, Tier
from tariffs.models import Scheme
from tariffs.selectors.prices import mexican_today, prices_of

WRONG_DATE = _("La fecha se escribe AAAA-MM-DD.")
CACHE_S = 3600  # prices change once a month


class PricesQuery(serializers.Serializer[Any]):
    """Which prices: of the month of a date, of one tariff, and with what a state's scheme changes."""

    date = serializers.DateField(required=False, error_messages=sentences(missing=WRONG_DATE, wrong=WRONG_DATE))
    tariff = RateField(required=False)
    state = StateField(required=False)


class TierSerializer(serializers.Serializer[Any]):
    """A tier of a month's use: above `lower`, up to `upper` kWh (null: without end), pesos a kWh before IVA."""

    tier = serializers.ChoiceField(choices=[tier.value for tier in Tier])
    level_name = serializers.CharField()
    price_mxn_per_kwh = serializers.FloatField()
    lower_kwh_month = serializers.IntegerField()
    upper_kwh_month = serializers.IntegerField(allow_null=True)
    provenance = serializers.ChoiceField(choices=[provenance.value for provenance in Provenance])


class SchemeSerializer(serializers.Serializer[Any]):
    """What the state changes of a tariff: summer's months and the tiers' limits, which a bill may rest on only if they are confirmed."""

    summer_start_month = serializers.IntegerField(source="summer.first_month")
    summer_months = serializers.IntegerField(source="summer.months")
    is_confirmed = serializers.BooleanField()
    source = serializers.CharField(help_text="Where it is published.")  # type: ignore[assignment]  # the metaclass takes it off


class TariffSerializer(serializers.Serializer[Any]):
    """A tariff in one region and season, by the prices of `price_month`, and the state's scheme that its tiers follow."""

    tariff = RateField()
    region = serializers.CharField()
    season = serializers.ChoiceField(choices=[season.value for season in Season])
    price_month = serializers.CharField()
    fixed_charge_mxn_month = serializers.FloatField(allow_null=True)
    scheme = SchemeSerializer(allow_null=True)
    tiers = TierSerializer(many=True)


class PricesSerializer(serializers.Serializer[Any]):
    """The price list of a month."""

    month = serializers.CharField()
    tariffs = TariffSerializer(many=True)


EXAMPLE = {
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


@method_decorator(conditional_page, name="dispatch")
class PricesView(OpenView):
    """The price list."""

    @extend_schema(
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
            200: answer(PricesSerializer, EXAMPLE),
            **invalid("date", "La fecha se escribe AAAA-MM-DD.", value="ayer", place="query"),
        },
    )
    def get(self, request: Request) -> Response:
        """Return the price list."""
        query = PricesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        day = query.validated_data.get("date", mexican_today())
        month, schemes = day.replace(day=1), Scheme.objects.of_place(query.validated_data.get("state", ""))
        in_force = {scheme.tariff: scheme for scheme in schemes if scheme.holds_on(day)}
        tariffs = _tariffs(prices_of(month, query.validated_data.get("tariff")), in_force)
        body = PricesSerializer({"month": f"{month:%Y-%m}", "tariffs": tariffs}).data
        return Response(body, headers={"Cache-Control": f"public, max-age={CACHE_S}"})  # a refusal is nobody's to keep


def _tariffs(rates: list[Rate], schemes: dict[str, SchemeTerms]) -> list[dict[str, Any]]:
    """Gather the rates of each tariff, region and season, by the schemes of tariffs; they come in that order, the tiers from below."""
    found = []
    for (tariff, region, season), tiers in groupby(rates, key=lambda rate: (rate.tariff, rate.region, rate.season)):
        group, scheme = list(tiers), schemes.get(tariff)
        if scheme:
            group = scheme.tiers(group)
        found.append(
            {
                "tariff": tariff,
                "region": region,
                "season": season,
                "price_month": f"{group[0].month:%Y-%m}",
                "fixed_charge_mxn_month": group[0].fixed_charge_mxn_month,
                "scheme": scheme,
                "tiers": [{**rate._asdict(), "level_name": TIER_NAMES[rate.tier]} for rate in group],
            }
        )
    return found
