"""What a state's agreement with CFE changes of a tariff: the months of summer, and where its tiers end. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from tariffs.cfe.prices import TIER_ORDER, Rate
from tariffs.cfe.tariffs import Season, Summer, Tier


class SchemeTerms(NamedTuple):
    """What is different in a tariff from `start` on, before `end` (None: until further notice).

    `limits` holds the upper limits of the tiers in kWh a month, by season; a tier that is not named does not exist, and a season
    that is not named has CFE's own. `is_confirmed` tells whether a real bill has shown it.
    """

    tariff: str
    start: date
    end: date | None
    summer: Summer
    is_confirmed: bool
    source: str
    limits: dict[Season, dict[Tier, int | None]]

    def holds_on(self, day: date) -> bool:
        """Tell whether the scheme is in force on a date."""
        return self.start <= day and (self.end is None or day < self.end)

    def tiers(self, rates: Sequence[Rate]) -> list[Rate]:
        """Return the tiers of one season, from below, with the scheme's limits; the last one has no end."""
        limits = self.limits.get(rates[0].season)
        kept = [rate for rate in rates if limits is None or rate.tier in limits]
        if limits is None or not kept:
            return list(rates)
        uppers = [*(limits[rate.tier] for rate in kept[:-1]), None]
        lowers = [0, *(upper or 0 for upper in uppers[:-1])]
        return [
            rate._replace(lower_kwh_month=lower, upper_kwh_month=upper)
            for rate, lower, upper in zip(kept, lowers, uppers, strict=True)
        ]


def limits_rise(limits: Mapping[Tier, int | None]) -> bool:
    """Tell whether the limits of a season's tiers leave no gap: each is above the one before, and only the last has no end."""
    uppers = [limits[tier] for tier in sorted(limits, key=TIER_ORDER.index)]
    known = [upper for upper in uppers[:-1] if upper]
    return uppers[-1:] == [None] and len(known) == len(uppers) - 1 and known == sorted(set(known))
