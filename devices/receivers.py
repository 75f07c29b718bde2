"""Tells every process when a device changes, whoever changed it: the API, the admin, or a home that was deleted with all it had."""

from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from redis.exceptions import RedisError

from devices.models import Channel, Device
from devices.registry import CHANGES

log = structlog.get_logger(__name__)
_client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


@receiver([post_save, post_delete], sender=Device)
def announce(sender: type[Device], instance: Device, **kwargs: Any) -> None:
    """Announce the change once it is committed. Where Redis is away, nobody remembers a device for long."""
    hardware_id = instance.hardware_id
    transaction.on_commit(lambda: _publish(hardware_id))


@receiver(post_save, sender=Channel)
def announce_channel(sender: type[Channel], instance: Channel, **kwargs: Any) -> None:
    """Announce the device of a channel that was named by itself, as the admin does: a channel with a name makes readings."""
    device_id = instance.device_id

    def publish() -> None:
        for hardware_id in Device.objects.filter(pk=device_id).values_list("hardware_id", flat=True):
            _publish(hardware_id)

    transaction.on_commit(publish)


def _publish(hardware_id: str) -> None:
    try:
        _client.publish(CHANGES, hardware_id)
    except RedisError as error:
        log.warning("device change not announced: Redis is away", error=type(error).__name__)
