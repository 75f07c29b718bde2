"""The wire form of what the app shows."""

from decimal import ROUND_HALF_UP
from typing import Any

from rest_framework import serializers

from accounts.api.fields import RateField
from tariffs.api.serializers.outlook import OutlookSerializer
from tariffs.cfe.bill import CERTAINTIES


def _two_decimals(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=None, decimal_places=2, rounding=ROUND_HALF_UP, **options)


def _kwh(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=None, decimal_places=3, rounding=ROUND_HALF_UP, **options)


class CarbonFootprintSerializer(serializers.Serializer[Any]):
    """kg of CO2e, and the trees that take that up in a year."""

    co2_emitted_kg = _two_decimals()
    equivalent_trees_absorption_per_year = _two_decimals()


class SummarySerializer(serializers.Serializer[Any]):
    """The running cycle: kWh, pesos with all taxes, local dates (the end inclusive), days elapsed."""

    kwh_consumed_cycle = _kwh(help_text="The best estimate: what was measured, and what was not by the home's habits.")
    estimated_cost_mxn = _two_decimals(allow_null=True, help_text="0 while nothing is used; null where prices are missing.")
    billing_cycle_start = serializers.DateField()
    billing_cycle_end = serializers.DateField()
    days_in_cycle = serializers.IntegerField()
    current_tariff = RateField()
    carbon_footprint = CarbonFootprintSerializer()
    latest_recommendation = serializers.CharField(allow_null=True)
    cost_certainty = serializers.ChoiceField(choices=CERTAINTIES, allow_null=True)
    price_month = serializers.CharField(allow_null=True)
    kwh_measured_cycle = _kwh(source="so_far.measured_kwh")
    hours_passed = serializers.IntegerField(source="so_far.hours_passed", help_text="Whole hours since the cycle began.")
    hours_known = serializers.DecimalField(
        None, 1, source="so_far.hours_known", help_text="How many of them meters have seen, or their counters have told of since."
    )
    outlook = OutlookSerializer(allow_null=True, help_text="As `/tariffs/outlook` answers it.")
