"""What an ingest process subscribes to."""

from django.conf import settings

from common.mqtt.connection import Subscription
from devices.validators import MAX_PREFIX_LEVELS

GROUP = "ingest"
# An owner's prefix may have slashes in it, and each has a level of its own.
PREFIXES = tuple("/".join("+" * levels) for levels in range(1, MAX_PREFIX_LEVELS + 1))
FILTERS = tuple(f"{prefix}/{rest}" for prefix in PREFIXES for rest in ("events/rpc", "status/+", "online"))
DROPPED = "$SYS/broker/publish/messages/dropped"


def subscriptions(replies: str) -> list[Subscription]:
    """Devices' topics, through the group where several processes share them; the replies to this process; the broker's count of losses."""
    group = GROUP if settings.MQTT_SHARED else ""
    devices = [Subscription(one, group=group) for one in FILTERS]
    return [*devices, Subscription(replies), Subscription(DROPPED, qos=0, takes_retained=True)]


def every_subscription(replies: str) -> list[str]:
    """The names of what a session may have been subscribed to, with or without the group; without DROPPED, of which nothing is queued."""
    return [*FILTERS, *(Subscription(one, group=GROUP).name(can_share=True) for one in FILTERS), replies]
