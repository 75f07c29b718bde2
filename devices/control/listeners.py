"""Where a device hears requests."""

import structlog
from redis.exceptions import RedisError

from common.redis_connections import redis_client
from devices.control.rpc import Listener
from devices.models import Device
from devices.presence.status_requests import PREFIX_OF, topic_prefix

log = structlog.get_logger(__name__)


def listener_of(device: Device) -> Listener:
    """Return how the device hears requests: under the prefix that it spoke under last, else under the one its home gave (Redis: 1 read)."""
    learnt = None
    try:
        learnt = redis_client().hget(PREFIX_OF, device.hardware_id)
    except RedisError as error:
        log.warning("topic prefixes not read: Redis is away", error=type(error).__name__)
    return Listener(device.hardware_id, topic_prefix(learnt, device.mqtt_prefix, device.hardware_id))
