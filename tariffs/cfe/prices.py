"""A tariff's prices, found by season and month. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tariffs.cfe.tariffs import Provenance, Season, Tier

if TYPE_CHECKING:
    from tariffs.cfe.schemes import SchemeTerms


TIER_ORDER = list(Tier)


class Rate(NamedTuple):
    """What a kWh costs in one tier during one month, before tax.

    The tier reaches from `lower_kwh_month` to `upper_kwh_month` of a month's use, None without end.
    """

    tariff: str
    season: Season
    tier: Tier
    month: date
    price_mxn_per_kwh: Decimal
    lower_kwh_month: int
    upper_kwh_month: int | None
    region: str
    fixed_charge_mxn_month: Decimal | None
    provenance: Provenance


class NoPrices(LookupError):
    """There is no price at all for what was asked."""


class PriceBook:
    """The prices of one tariff in one region, by season and month, and what the state changes of the tariff."""

    def __init__(self, rates: Iterable[Rate], schemes: Iterable["SchemeTerms"] = ()) -> None:
        """Sort the rates; the schemes are the tariff's.

        A month of DAC whose fixed charge nobody knows makes no bill, so it counts as unknown; so does one whose tiers are not all there.
        """
        self._schemes = list(schemes)
        self._tiers: dict[tuple[Season, date], list[Rate]] = defaultdict(list)
        for rate in rates:
            if rate.tier != Tier.ENERGY or rate.fixed_charge_mxn_month is not None:
                self._tiers[rate.season, rate.month].append(rate)
        self._months: dict[Season, list[date]] = defaultdict(list)
        for (season, month), tiers in sorted(self._tiers.items()):
            tiers.sort(key=lambda rate: rate.lower_kwh_month)
            if _is_whole(tiers):
                self._months[season].append(month)

    @property
    def has_seasons(self) -> bool:
        """Tell whether summer has prices of its own (tariff 1 and DAC in most regions have none)."""
        return Season.ALL_YEAR not in self._months

    def scheme_on(self, day: date) -> "SchemeTerms | None":
        """Return what the state changes of the tariff on a date."""
        for scheme in self._schemes:
            if scheme.holds_on(day):
                return scheme
        return None

    def known_month(self, season: Season, month: date) -> date:
        """Return the month, the last one known before it, or the earliest known. Raises NoPrices."""
        months = self._months.get(season)
        if not months:
            raise NoPrices(f"no prices for {season}")
        return months[max(bisect_right(months, month) - 1, 0)]

    def tiers(self, season: Season, month: date) -> list[Rate]:
        """Return the tiers of a month that is known, the cheapest energy first."""
        return self._tiers[season, month]


def _is_whole(tiers: list[Rate]) -> bool:
    """Tell whether tiers, from below, have a place for every kWh; one that is missing would be energy for nothing."""
    limits = [0, *(rate.upper_kwh_month for rate in tiers)]
    return limits[-1] is None and all(rate.lower_kwh_month == limit for rate, limit in zip(tiers, limits, strict=False))
