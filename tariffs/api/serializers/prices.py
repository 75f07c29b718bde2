"""The question for CFE's prices, and the price list."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.api.fields import RateField, StateField
from common.fields import sentences
from tariffs.api.fields import LevelNameField, MonthField
from tariffs.cfe.tariffs import Provenance, Season, Tier

WRONG_DATE = _("La fecha se escribe AAAA-MM-DD.")


class PricesQuery(serializers.Serializer[Any]):
    """Which prices: of the month of a date, of one tariff, and with what a state's scheme changes."""

    date = serializers.DateField(required=False, error_messages=sentences(missing=WRONG_DATE, wrong=WRONG_DATE))
    tariff = RateField(required=False)
    state = StateField(required=False)


class TierSerializer(serializers.Serializer[Any]):
    """A tier of a month's use: above `lower`, up to `upper` kWh (null: without end), pesos a kWh before IVA."""

    tier = serializers.ChoiceField(choices=[tier.value for tier in Tier])
    level_name = LevelNameField(source="tier")
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
    price_month = MonthField()
    fixed_charge_mxn_month = serializers.FloatField(allow_null=True)
    scheme = SchemeSerializer(allow_null=True)
    tiers = TierSerializer(many=True)


class PricesSerializer(serializers.Serializer[Any]):
    month = MonthField()
    tariffs = TariffSerializer(many=True)
