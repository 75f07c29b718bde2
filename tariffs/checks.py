"""Prices that bills would have to do without: a check for those who operate the system."""

from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import ProgrammingError

from tariffs.selectors.prices import mexican_today, price_gaps

LOAD = "Load them with `manage.py load_cfe_prices FILE`, or import them in the administration."


def prices_are_published(app_configs: Any, databases: Any = None, **_unused: Any) -> list[CheckMessage]:
    """Return a warning for each tariff whose prices of this month nobody has seen in print (1 query).

    It asks the database, and so runs only where that is checked (`manage.py check --database default`, `migrate`).
    """
    if not databases:
        return []
    month = mexican_today().replace(day=1)
    try:
        gaps = price_gaps(month)
    except ProgrammingError:  # before the first migration
        return []
    return [CheckWarning(f"Bills of {month:%Y-%m}: {gap}.", hint=LOAD, id="tariffs.W001") for gap in gaps]
