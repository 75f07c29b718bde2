"""Which MQTT a broker speaks: 5, with shared subscriptions where processes share the load, or 3.1.1; and what ingest subscribes to."""

from typing import Any

import structlog
from django.conf import settings
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from devices.validators import MAX_PREFIX_LEVELS
from telemetry.mqtt.paho_packets import WireClient

log = structlog.get_logger(__name__)

GROUP = "$share/ingest/"
# An owner's prefix may have slashes in it, and each has a level of its own.
PREFIXES = tuple("/".join("+" * levels) for levels in range(1, MAX_PREFIX_LEVELS + 1))
FILTERS = tuple(f"{prefix}/{rest}" for prefix in PREFIXES for rest in ("events/rpc", "status/+", "online"))
DROPPED = "$SYS/broker/publish/messages/dropped"
V5, V3 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
# A broker that knows no MQTT 5 hangs up, or (the embedded one) says nothing. Two tries with the newer version, one with the older, then
# the same again with twice the patience: so a broker that is only slow is not taken for an old one.
PATIENCE_S, LONGEST_PATIENCE_S = 2.0, 30.0
TRIES_WITH_V5 = 2
MOST_RECEIVE_MAXIMUM = 65_535
NO_SHARED_SUBSCRIPTIONS = 0x9E
DO_NOT_SEND_RETAINED = 2


class Dialect:
    """The version in use, and how long to wait for the broker's word in it."""

    def __init__(self) -> None:
        """Begin with the newer one."""
        self.version = V5
        self.patience_s = PATIENCE_S
        self._unanswered = 0

    def choose(self, *, answered: bool) -> None:
        """Take the older version where the broker does not answer the newer one, and try the newer one again after it."""
        if answered:
            self._unanswered, self.patience_s = 0, PATIENCE_S
        elif self.version == V3:
            self._unanswered, self.patience_s = 0, min(self.patience_s * 2, LONGEST_PATIENCE_S)
        else:
            self._unanswered += 1
        self.version = V3 if self._unanswered >= TRIES_WITH_V5 else V5

    def session(self) -> dict[str, Any]:
        """Return what a connection that goes on with its session takes."""
        if self.version == V3:
            return {}
        properties = _properties(
            PacketTypes.CONNECT,
            SessionExpiryInterval=settings.MQTT_SESSION_EXPIRY_SECONDS,
            ReceiveMaximum=min(settings.MQTT_RECEIVE_MAXIMUM, MOST_RECEIVE_MAXIMUM),
        )
        return {"clean_start": False, "properties": properties}

    def farewell(self, *, forgets: bool) -> Properties | None:
        """Return what a disconnection takes; `forgets` ends the session."""
        if self.version == V3:
            return None
        expiry_s = 0 if forgets else settings.MQTT_SESSION_EXPIRY_SECONDS
        return _properties(PacketTypes.DISCONNECT, SessionExpiryInterval=expiry_s)


class Subscriptions:
    """The subscriptions of one ingest process: devices' topics, through the group where several share them, and its own reply topics."""

    def __init__(self, reply_topic: str) -> None:
        """Subscribe to nothing yet."""
        self._replies = f"{reply_topic}/#"
        self._can_share = True
        self._last: int | None = None

    def begin(self, client: WireClient, version: MQTTProtocolVersion, properties: Properties | None) -> None:
        """Ask for them; the broker's properties at connection say whether it knows groups."""
        self._can_share = getattr(properties, "SharedSubscriptionAvailable", 1) == 1
        self._ask(client, version)

    def _ask(self, client: WireClient, version: MQTTProtocolVersion) -> None:
        if version == V3:
            client.subscribe([(one, 1) for one in (*FILTERS, self._replies)])
            _, self._last = client.subscribe(DROPPED, 0)
            return
        group, former = (GROUP, "") if settings.MQTT_SHARED and self._can_share else ("", GROUP)
        at_least_once = SubscribeOptions(qos=1, retainHandling=DO_NOT_SEND_RETAINED)
        client.subscribe([(group + one, at_least_once) for one in FILTERS])
        if self._can_share:  # and not before the others hold, or messages would be nobody's
            client.unsubscribe([former + one for one in FILTERS])
        client.subscribe(self._replies, options=at_least_once)
        _, self._last = client.subscribe(DROPPED, options=SubscribeOptions(qos=0))

    def answered(self, client: WireClient, mid: int, reasons: Any) -> bool:
        """Take the broker's word on one of them; tell whether it was the last. Without sharing, they begin anew."""
        failed = [one for one in reasons if one.is_failure]
        if self._can_share and any(one.value == NO_SHARED_SUBSCRIPTIONS for one in failed):
            self._can_share = False
            self._ask(client, V5)
            return False
        if failed:
            log.error("the broker refuses a subscription", reason=str(failed[0]))
        return mid == self._last

    def end(self, client: WireClient) -> None:
        """End all of them."""
        client.unsubscribe([*FILTERS, *(GROUP + one for one in FILTERS), self._replies])


def _properties(packet_type: int, **values: int) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
