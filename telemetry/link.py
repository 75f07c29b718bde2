"""One session with the broker, kept up for as long as it takes.

It speaks MQTT 5, with shared subscriptions where processes share the load, or 3.1.1 without them where the broker knows no better.
Everything runs on the event loop; only connecting, which blocks, has a thread of its own.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from telemetry.claims import Claim
from telemetry.wire import WireClient

log = structlog.get_logger(__name__)

GROUP = "$share/ingest/"
FILTERS = ("+/events/rpc", "+/status/+", "+/online")
DROPPED = "$SYS/broker/publish/messages/dropped"
V5, V3 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
KEEPALIVE_S = 60
MISC_EVERY_S = 1.0
# A broker that knows no MQTT 5 hangs up, or (the embedded one) says nothing. Two tries with the newer version, one with the older, then
# the same again with twice the patience: so a broker that is only slow is not taken for an old one.
PATIENCE_S, LONGEST_PATIENCE_S = 2.0, 30.0
TRIES_WITH_V5 = 2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
PACKETS_A_TURN = 200
MOST_RECEIVE_MAXIMUM = 65_535
NO_SHARED_SUBSCRIPTIONS = 0x9E
UNSUPPORTED_VERSION = 0x84
DO_NOT_SEND_RETAINED = 2


class TakenOver(Exception):
    """Another process goes by this one's number."""


class Delivery(NamedTuple):
    """A message from the broker: topic, payload, arrival (Unix time), and what its acknowledgement takes."""

    topic: str
    payload: bytes
    at: float
    is_retained: bool
    mid: int
    qos: int
    session: int


class Link:
    """The connection of one ingest process."""

    def __init__(self, client_id: str, reply_topic: str, claim: Claim, *, subscribes: bool = True) -> None:
        """Connect to nothing yet; without `subscribes`, the session's subscriptions are ended when it is connected."""
        self._client_id = client_id
        self._claim = claim
        self._can_share = True
        self._replies = f"{reply_topic}/#"
        self._subscribes = subscribes
        self._protocol = V5
        self._unanswered = 0
        self._patience_s = PATIENCE_S
        self._is_refused = False
        self._is_resumed = False
        self._last_subscription: int | None = None
        self._session = 0
        self._client: WireClient | None = None
        self._queue: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_paused = False
        self._is_stopping = False
        self.connected = asyncio.Event()
        self.overflowed = 0

    async def run(self) -> None:
        """Keep connected, with growing pauses where the broker can't be reached. Raises TakenOver."""
        pause = FIRST_PAUSE_S
        await self._claim.make()
        while not self._is_stopping:
            try:
                await self._connect()
                pause = FIRST_PAUSE_S if await self._serve() else pause
            except (OSError, ValueError) as error:
                log.warning(
                    "the broker does not answer, trying again", broker=_broker(), error=str(error), pause_s=round(pause, 1)
                )
            finally:
                self._leave()
            if not self._is_stopping and await self._claim.is_lost():
                raise TakenOver
            await asyncio.sleep(0 if self._is_stopping else pause * random.uniform(0.8, 1.2))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def take(self, most: int) -> list[Delivery]:
        """Wait for messages and return them, in order; empty once the link has been told to stop."""
        while not self._queue and not self._is_stopping:  # what woke us may have gone again with its connection
            self._arrived.clear()
            await self._arrived.wait()
        queue = self._queue
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        if self._is_paused and len(queue) < settings.MQTT_RECEIVE_MAXIMUM:
            self._resume()
        return taken

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Tell the broker that it may forget the messages; those of a lost connection it sends again anyway."""
        if self._client is None:
            return
        for delivery in deliveries:
            if delivery.qos and delivery.session == self._session:
                self._client.ack(delivery.mid, delivery.qos)
        self._write()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message at QoS 0; without a connection it is lost."""
        if self._client is not None and self.connected.is_set():
            self._client.publish(topic, payload, qos=0)
            self._write()

    def stop_taking(self) -> None:
        """Give out no more messages; what has not been taken stays with the broker."""
        self._is_stopping = True
        self._queue.clear()
        self._arrived.set()
        self._pause()

    async def close(self, *, forgets: bool = False) -> None:
        """Disconnect; `forgets` ends the session, and with it what is queued for it."""
        self._is_stopping = True
        if forgets and self._protocol == V3 and self._client is not None:
            await self._forget_v3()
        elif self._client is not None:
            expiry_s = 0 if forgets else settings.MQTT_SESSION_EXPIRY_SECONDS
            properties = _properties(PacketTypes.DISCONNECT, SessionExpiryInterval=expiry_s) if self._protocol == V5 else None
            self._client.disconnect(properties=properties)
            self._write()
        self._ended.set()

    async def _forget_v3(self) -> None:
        """End a session of MQTT 3.1.1: by beginning a clean one in its place."""
        self._leave()
        self._client = self._new_client(is_clean=True)
        await self._open(self._client)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.connected.wait(), PATIENCE_S)
        self._client.disconnect()
        self._write()

    def _new_client(self, *, is_clean: bool = False) -> WireClient:
        client = WireClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
            clean_session=is_clean if self._protocol == V3 else None,
        )
        if settings.MQTT_SHELLY_USER:
            client.username_pw_set(settings.MQTT_SHELLY_USER, settings.MQTT_SHELLY_PASS)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_device_message = self._on_device_message
        return client

    async def _connect(self) -> None:
        self._session += 1
        self._ended.clear()
        self._is_refused = False
        self._client = self._new_client()
        await self._open(self._client)

    async def _open(self, client: WireClient) -> None:
        arguments: dict[str, Any] = {}
        if self._protocol == V5:
            properties = _properties(
                PacketTypes.CONNECT,
                SessionExpiryInterval=settings.MQTT_SESSION_EXPIRY_SECONDS,
                ReceiveMaximum=min(settings.MQTT_RECEIVE_MAXIMUM, MOST_RECEIVE_MAXIMUM),
            )
            arguments = {"clean_start": False, "properties": properties}
        host, port = settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT
        await asyncio.to_thread(client.connect, host, port, KEEPALIVE_S, **arguments)
        client.on_socket_register_write = lambda *_: None  # or paho would write each packet by itself
        client.wire.before_close = self._detach
        asyncio.get_running_loop().add_reader(client.wire, self._read)
        self._write()

    async def _serve(self) -> bool:
        """Wait for the end of the connection; tell whether the broker had accepted it."""
        deadline = time.monotonic() + self._patience_s
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), MISC_EVERY_S)
            if self._client is not None and not self._is_paused:
                self._client.loop_misc()
                self._write()
            if not self.connected.is_set() and time.monotonic() > deadline:
                break
        accepted = self.connected.is_set()
        if not self._is_stopping:
            self._choose_protocol(accepted=accepted)
        return accepted

    def _choose_protocol(self, *, accepted: bool) -> None:
        """Take the older protocol where the broker does not answer the newer one, and try the newer one again after it."""
        if accepted:
            log.warning("the connection to the broker is lost, connecting again", broker=_broker())
        if accepted or self._is_refused:
            self._unanswered, self._patience_s = 0, PATIENCE_S
        elif self._protocol == V3:
            self._unanswered, self._patience_s = 0, min(self._patience_s * 2, LONGEST_PATIENCE_S)
        else:
            self._unanswered += 1
        self._protocol = V3 if self._unanswered >= TRIES_WITH_V5 else V5

    def _leave(self) -> None:
        """Forget the connection. Messages that were not taken come again with the next one; those of QoS 0 are kept."""
        self.connected.clear()
        if self._client is not None and self._client.socket() is not None:
            self._client.wire.close()
        self._client = None
        self._is_paused = False
        self._queue = deque(one for one in self._queue if one.qos == 0)

    def _read(self) -> None:
        client = self._client
        if client is None or self._is_paused:
            return
        for _ in range(PACKETS_A_TURN):
            if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or client.socket() is None:
                self._ended.set()
                return
            if not client.wire.pending():
                break
        else:
            asyncio.get_running_loop().call_soon(self._read)  # what has been received already wakes nobody
        if len(self._queue) >= 2 * settings.MQTT_RECEIVE_MAXIMUM:  # under MQTT 5 the broker waits for us before that
            self._pause()
        if client.want_write():
            self._write()

    def _pause(self) -> None:
        self._is_paused = True
        if self._client is not None and self._client.wire.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._client.wire)

    def _resume(self) -> None:
        self._is_paused = False
        if self._client is not None and self._client.socket() is not None and not self._is_stopping:
            asyncio.get_running_loop().add_reader(self._client.wire, self._read)
            asyncio.get_running_loop().call_soon(self._read)

    def _write(self) -> None:
        client = self._client
        if client is None or client.socket() is None:
            return
        loop = asyncio.get_running_loop()
        try:
            client.loop_write()
            done = client.wire.flush() and not client.want_write()
        except OSError:
            self._ended.set()
            return
        if client.wire.fileno() >= 0:
            if done:
                loop.remove_writer(client.wire)
            else:
                loop.add_writer(client.wire, self._write)

    def _detach(self) -> None:
        if self._client is not None:
            asyncio.get_running_loop().remove_reader(self._client.wire)
            asyncio.get_running_loop().remove_writer(self._client.wire)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._is_refused = reason.value != UNSUPPORTED_VERSION
            log.error("the broker refuses the connection", broker=_broker(), reason=str(reason))
            return
        self._is_resumed = flags.session_present
        self._can_share = getattr(properties, "SharedSubscriptionAvailable", 1) == 1
        if self._subscribes:
            self._subscribe(client)
        else:
            client.unsubscribe([*FILTERS, *(GROUP + one for one in FILTERS), self._replies])
            self._begin()

    def _begin(self) -> None:
        log.info("connected to the broker", broker=_broker(), protocol=self._protocol.name, resumed=self._is_resumed)
        self.connected.set()

    def _subscribe(self, client: WireClient) -> None:
        if self._protocol == V3:
            client.subscribe([(one, 1) for one in (*FILTERS, self._replies)])
            _, self._last_subscription = client.subscribe(DROPPED, 0)
            return
        group, former = (GROUP, "") if settings.MQTT_SHARED and self._can_share else ("", GROUP)
        at_least_once = SubscribeOptions(qos=1, retainHandling=DO_NOT_SEND_RETAINED)
        client.subscribe([(group + one, at_least_once) for one in FILTERS])
        if self._can_share:  # and not before the others hold, or messages would be nobody's
            client.unsubscribe([former + one for one in FILTERS])
        client.subscribe(self._replies, options=at_least_once)
        _, self._last_subscription = client.subscribe(DROPPED, options=SubscribeOptions(qos=0))

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        failed = [one for one in reasons if one.is_failure]
        if self._can_share and any(one.value == NO_SHARED_SUBSCRIPTIONS for one in failed):
            self._can_share = False
            self._subscribe(client)
            return
        if failed:
            log.error("the broker refuses a subscription", broker=_broker(), reason=str(failed[0]))
        if mid == self._last_subscription:
            self._begin()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._ended.set()

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        topic = message._topic  # noqa: SLF001 – `topic` raises where it is no text
        self._on_device_message(topic, bytes(message.payload), message.mid, message.qos, message.retain)

    def _on_device_message(self, topic: bytes, payload: bytes, mid: int, qos: int, is_retained: bool) -> None:
        queue = self._queue
        if qos == 0 and len(queue) >= settings.MQTT_RECEIVE_MAXIMUM:
            self.overflowed += 1
            return
        queue.append(Delivery(topic.decode(errors="replace"), payload, time.time(), is_retained, mid, qos, self._session))
        if len(queue) == 1:
            self._arrived.set()


def _properties(packet_type: int, **values: int) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _broker() -> str:
    return f"{settings.MQTT_BROKER_HOST}:{settings.MQTT_BROKER_PORT}"
