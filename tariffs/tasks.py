"""What prices do apart from requests."""

import structlog
from celery import shared_task
from django.db import OperationalError

from tariffs.selectors.prices import mexican_today, price_gaps

log = structlog.get_logger(__name__)


@shared_task(ignore_result=True, autoretry_for=(OperationalError,), retry_backoff=True)
def prices_check() -> None:
    """Log what this month's bills have no published price for."""
    month = mexican_today().replace(day=1)
    for gap in price_gaps(month):
        log.warning("price_not_published", month=f"{month:%Y-%m}", tariff=gap.tariff, region=gap.region, instead=gap.instead)
