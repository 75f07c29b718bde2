"""Writes of the states' schemes."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from tariffs.models import Scheme, SchemeTier


@transaction.atomic
def schemes_load(*, schemes: Iterable[Mapping[str, Any]]) -> int:
    """Add the schemes that are not there, each a row with its `tiers` by season; return how many those are (4–5 queries each).

    One that is there stays as it is, for staff may have corrected or confirmed it.
    """
    added = 0
    for scheme in schemes:
        values = {name: value for name, value in scheme.items() if name != "tiers"}
        key = {name: values.pop(name) for name in ("state", "tariff", "start")}
        row, is_new = Scheme.objects.get_or_create(**key, defaults=values)
        if is_new:
            added += 1
            tiers = [(season, tier, upper) for season, limits in scheme["tiers"].items() for tier, upper in limits.items()]
            SchemeTier.objects.bulk_create(
                SchemeTier(scheme=row, season=season, tier=tier, upper_kwh_month=upper) for season, tier, upper in tiers
            )
    return added
