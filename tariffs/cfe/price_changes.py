"""What a list of rates would change in another. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from tariffs.cfe.prices import Rate

# What tells a rate from all others; the rest of it is what it says.
KEY = ("tariff", "season", "tier", "month", "region")


class PriceChanges(NamedTuple):
    """What becomes of the stored rates; `changed` holds each rate before and after."""

    added: list[Rate]
    changed: list[tuple[Rate, Rate]]
    removed: list[Rate]
    unchanged: int


def key_of(rate: Rate) -> tuple[object, ...]:
    """Return the values of KEY, which identify the rate."""
    return tuple(getattr(rate, name) for name in KEY)


def _group(rate: Rate) -> tuple[object, ...]:
    return rate.tariff, rate.season, rate.month, rate.region


def compare(stored: Iterable[Rate], wanted: Iterable[Rate]) -> PriceChanges:
    """Return what brings the stored rates to the wanted ones.

    A tier that a month of a tariff no longer has is removed; months that the wanted rates do not speak of stay as they are.
    """
    before, after = ({key_of(rate): rate for rate in rates} for rates in (stored, wanted))
    groups = {_group(rate) for rate in after.values()}
    added = [rate for key, rate in after.items() if key not in before]
    changed = [(before[key], rate) for key, rate in after.items() if before.get(key, rate) != rate]
    removed = [rate for key, rate in before.items() if key not in after and _group(rate) in groups]
    return PriceChanges(added, changed, removed, len(after) - len(added) - len(changed))
