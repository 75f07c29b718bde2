"""What the schedule runs; safe to run twice, and beside an ingest process that does the same."""

import time

import structlog
from asgiref.sync import async_to_sync
from celery import shared_task
from django.utils import timezone

from common.redis_connections import BACKGROUND, async_redis_client
from devices.control.exceptions import BrokerAway
from devices.ownership.broker_accounts import changes_apply
from devices.presence import presence
from devices.schedules import services

log = structlog.get_logger(__name__)


@shared_task(ignore_result=True)
def broker_accounts_apply() -> None:
    """Give the broker the accounts that changed. The schedule comes again while it is away, so no retry."""
    try:
        count = changes_apply()
    except BrokerAway:
        log.warning("devices' accounts are not changed: the broker does not answer")
    else:
        if count:
            log.info("devices' accounts at the broker changed", accounts=count)


@shared_task(ignore_result=True)
def presence_sweep() -> None:
    """Take silent devices for offline, and mend what Redis or a process that died left behind. The schedule comes again, so no retry."""
    async_to_sync(_sweep)(time.time())


@shared_task(ignore_result=True)
def schedules_run() -> None:
    """Do what the homes' schedules are due for. The schedule comes again in seconds, so no retry."""
    services.schedules_run(now=timezone.now())


async def _sweep(now: float) -> None:
    async with async_redis_client(BACKGROUND) as store:
        await presence.reconcile(store, now)
        await presence.sweep(store, now)
