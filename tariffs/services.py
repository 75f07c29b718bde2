"""Writes of the prices."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from tariffs.models import Price
from tariffs.prices import Rate

KEY = ("tariff", "season", "tier", "month", "region")
VALUES = [name for name in Rate._fields if name not in KEY]


class LoadedPrices(NamedTuple):
    """What a load did to the table; `changed` holds each rate before and after."""

    added: list[Rate]
    changed: list[tuple[Rate, Rate]]
    removed: list[Rate]
    unchanged: int


def _key(rate: Rate) -> tuple[object, ...]:
    return tuple(getattr(rate, name) for name in KEY)


def _group(rate: Rate) -> tuple[object, ...]:
    return rate.tariff, rate.season, rate.month, rate.region


@transaction.atomic
def prices_load(*, rates: Iterable[Rate]) -> LoadedPrices:
    """Bring the table to the rates, which `price_file.read_prices` has checked. Doing it twice changes nothing.

    A tier that a month of a tariff no longer has is removed; months that the rates do not speak of stay as they are. 2–4 queries.
    """
    wanted = {_key(rate): rate for rate in rates}
    groups = {_group(rate) for rate in wanted.values()}
    stored = {_key(rate): rate for rate in Price.objects.rates()}
    added = [rate for key, rate in wanted.items() if key not in stored]
    changed = [(stored[key], rate) for key, rate in wanted.items() if stored.get(key, rate) != rate]
    removed = [rate for key, rate in stored.items() if key not in wanted and _group(rate) in groups]
    if removed:  # first, for what follows may take over its kWh
        Price.objects.filter(Q(*(Q(**dict(zip(KEY, _key(rate), strict=True))) for rate in removed), _connector=Q.OR)).delete()
    Price.objects.bulk_create(
        [Price(**rate._asdict()) for rate in [*added, *(after for _, after in changed)]],
        update_conflicts=True,
        unique_fields=KEY,
        update_fields=VALUES,
    )
    return LoadedPrices(added, changed, removed, len(wanted) - len(added) - len(changed))
