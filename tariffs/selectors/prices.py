"""CFE's prices of a month, and those that are missing."""

from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q
from django.utils import timezone

from accounts.cfe_tariffs import DAC, DAC_REGIONS, LOCALITY_TARIFFS
from tariffs.cfe.prices import Rate
from tariffs.cfe.schemes import SchemeTerms
from tariffs.cfe.tariffs import NATIONAL, Provenance, Season
from tariffs.models import Price, Scheme


def mexican_today() -> date:
    return timezone.localdate(timezone=ZoneInfo("America/Mexico_City"))


class SeasonPrices(NamedTuple):
    """The rates of a tariff in one region and season, the tiers from below, and the state's scheme that they follow."""

    tariff: str
    region: str
    season: Season
    scheme: SchemeTerms | None
    tiers: list[Rate]

    @property
    def price_month(self) -> date:
        """The month that the prices are of: the last known one where that which was asked for has none."""
        return self.tiers[0].month

    @property
    def fixed_charge_mxn_month(self) -> Decimal | None:
        return self.tiers[0].fixed_charge_mxn_month


def price_list(day: date, *, tariff: str | None = None, state: str = "") -> list[SeasonPrices]:
    """Return the prices of a date's month, of one tariff or all, with what a state changes (1 query, 2 with a state)."""
    schemes = {scheme.tariff: scheme for scheme in Scheme.objects.of_place(state) if scheme.holds_on(day)}
    found = []
    for group, rates in groupby(prices_of(day.replace(day=1), tariff), attrgetter("tariff", "region", "season")):
        scheme, tiers = schemes.get(group[0]), list(rates)
        found.append(SeasonPrices(*group, scheme, scheme.tiers(tiers) if scheme else tiers))
    return found


def prices_of(month: date, tariff: str | None = None) -> list[Rate]:
    """Return the rates of a month, of one tariff or all, by tariff, region, season and tier (1 query).

    Where a season of a tariff has none for the month, those of its last known month before it.
    """
    return Price.objects.of_tariff(tariff).in_month(month).order_by("tariff", "region", "season", "lower_kwh_month").rates()


class PriceGap(NamedTuple):
    """A tariff in one region without a published price of a month, and what bills take instead."""

    tariff: str
    region: str
    instead: str

    def __str__(self) -> str:
        place = "" if self.region == NATIONAL else f" in {self.region}"
        return f"no published price of tariff {self.tariff}{place}, {self.instead} stand in"


def price_gaps(month: date) -> list[PriceGap]:
    """Return where a month (its first day) has no price that was seen in print, by tariff and region (1 query)."""
    known = {(tariff, NATIONAL): (None, False) for tariff in LOCALITY_TARIFFS}
    known |= {(DAC, region): (None, False) for region in DAC_REGIONS}
    rows = Price.objects.filter(month__lte=month).order_by().values("tariff", "region").annotate(last=Max("month"))
    published = Count("id", filter=Q(month=month, provenance=Provenance.PUBLISHED))
    found = {(row["tariff"], row["region"]): (row["last"], row["published"] > 0) for row in rows.annotate(published=published)}
    return [
        PriceGap(tariff, region, "none" if last is None else "derived ones" if last == month else f"those of {last:%Y-%m}")
        for (tariff, region), (last, is_published) in (known | found).items()
        if not is_published
    ]
