"""What the schedule runs; safe to run twice, and beside an ingest process that does the same."""

import time

from asgiref.sync import async_to_sync
from celery import shared_task
from django.utils import timezone

from common.redis_connections import BACKGROUND, async_redis_client
from devices.presence import presence
from devices.schedules import services


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
