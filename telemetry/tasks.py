"""What the schedule runs; safe to run twice."""

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from telemetry import partitions
from telemetry.limits import check
from telemetry.rollup import run as rollups


@shared_task
def rollup() -> None:
    """Bring the buckets up to date. The schedule comes again in seconds, so a failure is not retried here."""
    rollups.rollup()


@shared_task
def limits_check() -> None:
    """Switch off what has passed its limits. The schedule comes again in seconds, as above."""
    check.limits_check(timezone.now())


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def partitions_maintain() -> None:
    """Make the partitions of the next days and drop those beyond the retention."""
    partitions.partitions_maintain(timezone.now())
