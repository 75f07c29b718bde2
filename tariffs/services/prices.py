"""Writes of the prices."""

from collections.abc import Iterable

from django.db import transaction

from tariffs.cfe.price_changes import KEY, PriceChanges, compare
from tariffs.cfe.prices import Rate
from tariffs.models import Price

VALUES = [name for name in Rate._fields if name not in KEY]


@transaction.atomic
def prices_load(*, rates: Iterable[Rate], reason: str = "") -> PriceChanges:
    """Bring the table to the rates, which `price_file.read_prices` has checked. Doing it twice changes nothing.

    A tier that a month of a tariff no longer has is removed; months that the rates do not speak of stay as they are. What changes is
    kept in the history with the reason (up to 100 characters). 2–5 queries, and two for each price that is removed.
    """
    changes = compare(Price.objects.rates(), rates)
    for price in Price.objects.among(changes.removed):  # first, for another tier may take over its kWh
        price._change_reason = reason  # type: ignore[attr-defined]  # noqa: SLF001  the history's own way of being told
        price.delete()
    _upsert(changes, reason)
    return changes


def _upsert(changes: PriceChanges, reason: str) -> None:
    """Write in one statement, after which the database looks for overlaps: a limit may move between two tiers."""
    rates = [*changes.added, *(after for _, after in changes.changed)]
    prices = Price.objects.bulk_create(
        [Price(**rate._asdict()) for rate in rates], update_conflicts=True, unique_fields=KEY, update_fields=VALUES
    )
    added, changed = prices[: len(changes.added)], prices[len(changes.added) :]
    Price.history.bulk_history_create(added, default_change_reason=reason)
    Price.history.bulk_history_create(changed, update=True, default_change_reason=reason)
