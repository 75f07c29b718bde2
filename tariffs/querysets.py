"""Reads of the prices and the states' schemes in domain words."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from tariffs.cfe.price_changes import KEY, key_of
from tariffs.cfe.prices import Rate
from tariffs.cfe.schemes import SchemeTerms
from tariffs.cfe.tariffs import NATIONAL, Provenance, Season, Summer, Tier

if TYPE_CHECKING:
    from tariffs.models import Price, Scheme


class PriceQuerySet(models.QuerySet["Price"]):
    """Prices; the rest of the system reads them as rates."""

    def get_by_natural_key(self, tariff: str, season: str, tier: str, month: date, region: str) -> "Price":
        """Return the price that a fixture names. Raises Price.DoesNotExist."""
        return self.get(tariff=tariff, season=season, tier=tier, month=month, region=region)

    def of_contract(self, tariffs: Collection[str], dac_region: str) -> Self:
        """Keep the prices that a contract can be billed at in some tariffs: those of its region for DAC, national ones otherwise."""
        return self.filter(tariff__in=tariffs, region__in=[NATIONAL, dac_region])

    def of_tariff(self, tariff: str | None) -> Self:
        """Keep the prices of one tariff; all where none is named."""
        return self.filter(tariff=tariff) if tariff else self

    def in_month(self, month: date) -> Self:
        """Keep the prices of a month (its first day), or of a tariff, region and season without any those of the last month before it."""
        same = {name: OuterRef(name) for name in ("tariff", "region", "season")}
        known = PriceQuerySet(self.model).filter(**same, month__lte=month)
        return self.filter(month=Subquery(known.order_by("-month").values("month")[:1]))

    def with_price_before(self) -> Self:
        """Add `price_before`: what the same kWh cost in the month before, None where nobody knows."""
        # Months are kept as their first days, and 31 days back from one there is exactly one other.
        same = {name: OuterRef(name) for name in KEY if name != "month"}
        before = self.model.objects.filter(**same, month__lt=OuterRef("month"), month__gte=OuterRef("month") - timedelta(days=31))
        return self.annotate(price_before=Subquery(before.order_by().values("price_mxn_per_kwh")[:1]))

    def beside(self, rate: Rate) -> Self:
        """Keep the prices of the rate's tariff, season and region in its month and those before and after."""
        month = timedelta(days=31)
        near = (rate.month.replace(day=1) - month).replace(day=1), rate.month + month
        return self.filter(tariff=rate.tariff, season=rate.season, region=rate.region, month__range=near)

    def among(self, rates: Iterable[Rate]) -> Self:
        """Keep the prices with the keys of these rates."""
        rows = [Q(**dict(zip(KEY, key_of(rate), strict=True))) for rate in rates]
        return self.filter(Q(*rows, _connector=Q.OR)) if rows else self.none()

    def rates(self) -> list[Rate]:
        """Return the prices as the engine takes them (1 query)."""
        rows = self.values_list(*Rate._fields)
        return [
            rate._replace(season=Season(rate.season), tier=Tier(rate.tier), provenance=Provenance(rate.provenance))
            for rate in (Rate(*row) for row in rows)
        ]


class SchemeQuerySet(models.QuerySet["Scheme"]):
    """Schemes; the rest of the system reads them as values."""

    def of_place(self, state: str, tariffs: Collection[str] | None = None) -> list[SchemeTerms]:
        """Return the schemes of a state in some tariffs, or in all (1 query; none where the state is not known)."""
        if not state:
            return []
        found = self.filter(state=state) if tariffs is None else self.filter(state=state, tariff__in=tariffs)
        schemes: dict[int, SchemeTerms] = {}
        for pk, *terms, season, tier, upper in found.values_list(
            "pk", *_TERMS, "tiers__season", "tiers__tier", "tiers__upper_kwh_month"
        ):
            tariff, start, end, first, months, is_confirmed, source = terms
            scheme = schemes.setdefault(pk, SchemeTerms(tariff, start, end, Summer(first, months), is_confirmed, source, {}))
            if season:  # a scheme without limits is a row without a tier
                scheme.limits.setdefault(Season(season), {})[Tier(tier)] = upper
        return list(schemes.values())


_TERMS = ("tariff", "start", "end", "summer_start_month", "summer_months", "is_confirmed", "source")
