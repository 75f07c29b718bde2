"""Reads of the prices in domain words."""

from datetime import date
from typing import TYPE_CHECKING, Self

from django.db import models

from tariffs.constants import NATIONAL, Provenance, Season, Tier
from tariffs.prices import Rate

if TYPE_CHECKING:
    from tariffs.models import Price


class PriceQuerySet(models.QuerySet["Price"]):
    """Prices; the rest of the system reads them as rates."""

    def get_by_natural_key(self, tariff: str, season: str, tier: str, month: date, region: str) -> "Price":
        """Return the price that a fixture names. Raises Price.DoesNotExist."""
        return self.get(tariff=tariff, season=season, tier=tier, month=month, region=region)

    def of_contract(self, tariff: str, dac_region: str) -> Self:
        """Keep the prices that a contract can be billed at: those of its region for DAC, national ones otherwise."""
        return self.filter(tariff=tariff, region__in=[NATIONAL, dac_region])

    def rates(self) -> list[Rate]:
        """Return the prices as the engine takes them (1 query)."""
        rows = self.order_by().values_list(*Rate._fields)
        return [
            rate._replace(season=Season(rate.season), tier=Tier(rate.tier), provenance=Provenance(rate.provenance))
            for rate in (Rate(*row) for row in rows)
        ]
