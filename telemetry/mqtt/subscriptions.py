"""Which topics an ingest process subscribes to."""

from django.conf import settings

from common.mqtt.connection import Subscription
from devices.validators import MAX_PREFIX_LEVELS

GROUP = "ingest"
# An owner's prefix may contain slashes, and a "+" stands for one level.
PREFIXES = tuple("/".join("+" * levels) for levels in range(1, MAX_PREFIX_LEVELS + 1))
FILTERS = tuple(f"{prefix}/{rest}" for prefix in PREFIXES for rest in ("events/rpc", "status/+", "online"))
DROPPED = "$SYS/broker/publish/messages/dropped"


def subscriptions(replies: str) -> list[Subscription]:
    """Return devices' topics (shared in a group with MQTT_SHARED), the replies to this process, and the broker's count of drops."""
    group = GROUP if settings.MQTT_SHARED else ""
    devices = [Subscription(one, group=group) for one in FILTERS]
    return [*devices, Subscription(replies), Subscription(DROPPED, qos=0, takes_retained=True)]


def every_subscription(replies: str) -> list[str]:
    """Return the names of all that a session may be subscribed to, with and without the group; not DROPPED, which queues nothing."""
    return [*FILTERS, *(Subscription(one, group=GROUP).name(can_share=True) for one in FILTERS), replies]
