"""Fields of answers: figures as the app shows them, and the words for tiers, months and doubts."""

from math import floor
from typing import Any

from rest_framework import serializers

from tariffs.cfe.bill import to_cents
from tariffs.cfe.tariffs import TIER_NAMES
from tariffs.rendering import reasons


class RoundedField(serializers.FloatField):
    """A number to so many decimal places."""

    def __init__(self, decimal_places: int, **options: Any) -> None:
        self.decimal_places = decimal_places
        super().__init__(**options)

    def to_representation(self, value: Any) -> Any:
        return float(round(value, self.decimal_places))


class RoundedDownField(RoundedField):
    """A number that may be kept to: never more than it is."""

    def to_representation(self, value: Any) -> Any:
        unit = 10**self.decimal_places
        return floor(value * unit) / unit


class CentsField(serializers.FloatField):
    """Pesos, half up to the cent as on a bill."""

    def to_representation(self, value: Any) -> Any:
        return float(to_cents(value))


class LineKwhField(serializers.FloatField):
    """The kWh of a bill's line: a whole number but in a mixed bill, whose tiers end in between."""

    def to_representation(self, value: Any) -> Any:
        return value if isinstance(value, int) else float(round(value, 6))


class MonthField(serializers.CharField):
    """A month as YYYY-MM."""

    def to_representation(self, value: Any) -> str:
        return f"{value:%Y-%m}"


class LevelNameField(serializers.CharField):
    """The name of a tier, as the app and its PDF look for it."""

    def to_representation(self, value: Any) -> str:
        return TIER_NAMES[value]


class ReasonsField(serializers.ListField):
    """Why a bill is not exact, a sentence for each doubt."""

    child = serializers.CharField()

    def to_representation(self, data: Any) -> list[str]:
        return reasons(data)
