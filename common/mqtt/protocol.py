"""What a connection says in MQTT 5, and in 3.1.1 to a broker that does not know 5."""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

V5, V3 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
# A broker without MQTT 5 hangs up, or (the embedded one) does not answer. So: two tries with the newer version, one with the older, then
# the same again with twice the timeout, lest a broker that is merely slow be taken for an old one.
ANSWER_TIMEOUT_S, LONGEST_ANSWER_TIMEOUT_S = 2.0, 30.0
TRIES_WITH_V5 = 2
UNSUPPORTED_VERSION = 0x84
NO_SHARED_SUBSCRIPTIONS = 0x9E
SHARED = "$share/"
SEND_RETAINED, DO_NOT_SEND_RETAINED = 0, 2


class Will(NamedTuple):
    """A last will: what the broker publishes when the connection is lost."""

    topic: str
    payload: bytes
    qos: int = 0
    is_retained: bool = False


@dataclass(frozen=True, kw_only=True)
class Login:
    """A broker's address and what the client presents to it. With `session_expiry_s` 0 each connection starts a clean session."""

    host: str
    port: int
    client_id: str
    user: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    session_expiry_s: int = 0
    # How many unacknowledged messages of QoS 1 the broker may have sent (MQTT 5); 65,535 at most.
    receive_maximum: int = 1_000
    will: Will | None = None
    # A clean session without groups needs nothing of MQTT 5, which some brokers don't answer: it begins sooner in 3.1.1.
    newest: MQTTProtocolVersion = V5

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class Subscription(NamedTuple):
    """A topic filter with QoS 0 or 1. A group shares the messages among its members, if the broker has shared subscriptions."""

    topic_filter: str
    qos: int = 1
    group: str = ""
    takes_retained: bool = False

    def name(self, *, can_share: bool) -> str:
        return f"{SHARED}{self.group}/{self.topic_filter}" if self.group and can_share else self.topic_filter


class Protocol:
    """The version in use, how long to wait for the broker's answer, and the packets that differ between the versions."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self.version = login.newest
        self.answer_timeout_s = ANSWER_TIMEOUT_S
        self.can_share = True
        self._unanswered = 0

    def choose(self, *, answered: bool) -> None:
        """Choose the version of the next connection, after the broker answered the last one or did not."""
        if answered:
            self._unanswered, self.answer_timeout_s = 0, ANSWER_TIMEOUT_S
        elif self.version == V3:
            self._unanswered, self.answer_timeout_s = 0, min(self.answer_timeout_s * 2, LONGEST_ANSWER_TIMEOUT_S)
        else:
            self._unanswered += 1
        self.version = V3 if self._unanswered >= TRIES_WITH_V5 else self._login.newest

    def new_paho(self, make: type[Client], *, is_clean: bool) -> Client:
        """Return a client that has not connected yet; `is_clean` ends a session of MQTT 3.1.1."""
        login = self._login
        paho = make(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            protocol=self.version,
            reconnect_on_failure=False,
            manual_ack=True,
            clean_session=None if self.version == V5 else is_clean or not login.session_expiry_s,
        )
        if login.user:
            paho.username_pw_set(login.user, login.password)
        if login.tls:
            paho.tls_set_context(login.tls)
        if login.will:
            paho.will_set(login.will.topic, login.will.payload, login.will.qos, login.will.is_retained)
        return paho

    def connect_arguments(self) -> dict[str, Any]:
        """Return paho's arguments for `connect` besides the address; MQTT 3.1.1 has them in the constructor."""
        if self.version == V3:
            return {}
        expiry_s = self._login.session_expiry_s
        properties = _properties(PacketTypes.CONNECT, SessionExpiryInterval=expiry_s, ReceiveMaximum=self._login.receive_maximum)
        return {"clean_start": not expiry_s, "properties": properties}

    def disconnect_properties(self, *, ends_session: bool) -> Properties | None:
        if self.version == V3:
            return None
        expiry_s = 0 if ends_session else self._login.session_expiry_s
        return _properties(PacketTypes.DISCONNECT, SessionExpiryInterval=expiry_s)

    def accepted(self, properties: Properties | None) -> None:
        """Note from the properties of CONNACK whether the broker has shared subscriptions."""
        self.can_share = self.version == V5 and getattr(properties, "SharedSubscriptionAvailable", 1) == 1

    def subscribe(self, paho: Client, subscriptions: Sequence[Subscription]) -> int | None:
        """Subscribe to all in one packet; return its id."""
        asked = [(one.name(can_share=self.can_share), self._options(one)) for one in subscriptions]
        return paho.subscribe(asked)[1]

    def _options(self, one: Subscription) -> Any:
        if self.version == V3:
            return one.qos
        return SubscribeOptions(qos=one.qos, retainHandling=SEND_RETAINED if one.takes_retained else DO_NOT_SEND_RETAINED)

    def unsubscribe(self, paho: Client, names: Iterable[str], subscriptions: Sequence[Subscription]) -> None:
        """End the named subscriptions of the session, except those that are in use."""
        used = {one.name(can_share=self.can_share) for one in subscriptions}
        if unused := [one for one in names if one not in used and (self.can_share or not one.startswith(SHARED))]:
            paho.unsubscribe(unused)


def _properties(packet_type: int, **values: int) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
