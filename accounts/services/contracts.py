"""A home's supply contract over time."""

from datetime import date
from typing import Any

from django.db import transaction

from accounts.cfe_tariffs import DAC
from accounts.models import Contract, Home
from accounts.services.homes import home_zone_follow

# What a version says; the rest of a row is whose it is and since when.
TERMS = (
    "tariff",
    "base_tariff",
    "billing_months",
    "billing_day",
    "last_reading",
    "supply_start",
    "summer_start_month",
    "dac_region",
    "generation",
    "iva_rate",
    "dap_share",
    "dap_mxn",
    "discount_share",
    "discount_mxn",
    "state",
    "municipality",
)


@transaction.atomic
def contract_change(*, home: Home, valid_from: date | None = None, **changes: Any) -> Contract:
    """Make the contract read so from a local date on (today); what is not named stays as it was on that date.

    Versions before the date are never touched, so old bills stay; later ones give way. A reading date that is new, or comes without a
    billing day, sets the billing day; the months of bimonthly cycles hang on it alone. A home that falls into DAC remembers the tariff
    it comes from. 2–7 queries, and one for each later version. Raises NoContract.
    """
    home.refresh_from_db(from_queryset=Home.objects.select_for_update(no_key=True))  # one change at a time
    valid_from = valid_from or home.today
    before = home.contract_on(valid_from)
    values = {name: getattr(before, name) for name in TERMS} | changes
    reading = changes.get("last_reading")
    if reading and (reading != before.last_reading or "billing_day" not in changes):
        values["billing_day"] = reading.day
    if values["tariff"] != DAC:
        values["base_tariff"] = ""
    elif before.tariff != DAC and not changes.get("base_tariff"):
        values["base_tariff"] = before.tariff
    is_last = before == home.contract_versions[-1]
    if is_last and all(getattr(before, name) == value for name, value in values.items()):
        return before
    home.contracts.filter(valid_from__gt=valid_from).delete()
    version, _created = home.contracts.update_or_create(valid_from=valid_from, defaults=values)
    home.refresh_from_db(fields=["contracts"])  # forgets the versions read before
    home_zone_follow(home=home)
    return version
