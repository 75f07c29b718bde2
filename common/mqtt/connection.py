"""A connection to an MQTT broker that reconnects by itself, on the event loop.

Its user starts `run` as a task, takes messages, and acknowledges them once they are dealt with.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import structlog
from paho.mqtt.client import Client

from common.async_tasks import wait_at_most
from common.mqtt.event_loop_client import EventLoopClient
from common.mqtt.packet_reader import client_class
from common.mqtt.protocol import (
    ANSWER_TIMEOUT_S,
    NO_SHARED_SUBSCRIPTIONS,
    UNSUPPORTED_VERSION,
    V3,
    Login,
    Protocol,
    Subscription,
    Will,
)

log = structlog.get_logger(__name__)

__all__ = ["Connection", "Login", "Message", "Subscription", "Will"]

KEEPALIVE_S = 60
KEEP_ALIVE_EVERY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class Message(NamedTuple):
    """A message from the broker: topic (empty if it is not UTF-8), payload, arrival (Unix time), and what acknowledging it takes."""

    topic: str
    payload: bytes
    at: float
    is_retained: bool = False
    packet_id: int = 0
    qos: int = 0
    connection: int = 0


class Connection:
    """A connection of one client id, over MQTT 5 or, if the broker lacks it, 3.1.1.

    With MQTT 5 the broker sends no more than `receive_maximum` messages of QoS 1 before they are acknowledged. While that many messages
    have not been taken, those of QoS 0 are dropped and counted in `overflowed`; at twice as many reading pauses.
    """

    def __init__(self, login: Login, subscriptions: Sequence[Subscription] = (), *, unsubscribe: Iterable[str] = ()) -> None:
        """`unsubscribe` names (`filter`, `$share/group/filter`) what a kept session may still be subscribed to and should not be."""
        self._login = login
        self._subscriptions = list(subscriptions)
        self._unsubscribe = tuple(unsubscribe)
        self._protocol = Protocol(login)
        self._client_class = client_class()
        self._client: EventLoopClient | None = None
        self._number = 0
        self._last_asked: int | None = None
        self._is_refused = False
        self._is_resumed = False
        self._ended = asyncio.Event()
        self._connected = asyncio.Event()
        self._stopping = asyncio.Event()
        self._queue: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self.overflowed = 0

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted the connection and the subscriptions."""
        return self._connected.is_set()

    async def wait_connected(self) -> None:
        await self._connected.wait()

    async def run(self, before_reconnect: Callable[[], Awaitable[None]] | None = None) -> None:
        """Keep connected until `close`, with growing pauses while the broker can't be reached. Raises what `before_reconnect` raises."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                await self._connect()
                pause_s = FIRST_PAUSE_S if await self._serve() else pause_s
            except (OSError, ValueError) as error:
                log.warning(
                    "the broker does not answer, trying again",
                    broker=self._login.address,
                    error=str(error),
                    pause_s=round(pause_s, 1),
                )
            finally:
                self._leave()
            if before_reconnect is not None and not self._stopping.is_set():
                await before_reconnect()
            await wait_at_most(self._stopping, pause_s * random.uniform(0.8, 1.2))  # noqa: S311
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def take(self, most: int) -> list[Message]:
        """Wait for messages and return at most `most`, in order; empty after `stop_taking`."""
        while not self._queue and not self._stopping.is_set():  # messages may go again with their connection
            self._arrived.clear()
            await self._arrived.wait()
        taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        if self._client is not None and self._client.is_paused and self._has_room and not self._stopping.is_set():
            self._client.resume()
        return taken

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Let the broker forget the messages. Those of a lost connection are left out: the broker sends them again."""
        if self._client is not None:
            self._client.acknowledge([one.packet_id for one in messages if one.qos and one.connection == self._number])
            self._client.write()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Send a message; return False, and send nothing, if there is no connection. Of QoS 1 it may be lost with the connection, too."""
        if self._client is None or not self.is_connected:
            return False
        self._client.paho.publish(topic, payload, qos=qos, retain=retain)
        self._client.write()
        return True

    def subscribe(self, subscription: Subscription) -> None:
        """Add a subscription, now and after each reconnection."""
        self._subscriptions.append(subscription)
        if self._client is not None and self.is_connected:
            self._protocol.subscribe(self._client.paho, [subscription])
            self._client.write()

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription that was added."""
        self._subscriptions.remove(subscription)
        if self._client is not None and self.is_connected:
            self._client.paho.unsubscribe(subscription.name(can_share=self._protocol.can_share))
            self._client.write()

    def stop_taking(self) -> None:
        """Return no more messages from `take`; the broker keeps them. Acknowledgements are still sent."""
        self._stopping.set()
        self._queue.clear()
        self._arrived.set()
        if self._client is not None:
            self._client.pause()

    async def close(self, *, ends_session: bool = False) -> None:
        """Disconnect for good; `ends_session` lets the broker drop the session and what it holds for it."""
        self.stop_taking()
        if ends_session and self._protocol.version == V3 and self._client is not None:
            await self._end_session_v3()
        if self._client is not None:
            self._client.paho.disconnect(properties=self._protocol.disconnect_properties(ends_session=ends_session))
            self._client.write()
        self._ended.set()

    async def _end_session_v3(self) -> None:
        """End a session of MQTT 3.1.1, which takes a clean one in its place."""
        self._leave()
        await self._connect(is_clean=True)
        await wait_at_most(self._connected, ANSWER_TIMEOUT_S)

    async def _connect(self, *, is_clean: bool = False) -> None:
        self._number += 1
        self._ended.clear()
        self._is_refused = False
        paho = self._protocol.new_paho(self._client_class.paho_class, is_clean=is_clean)
        paho.on_connect = self._on_connect
        paho.on_subscribe = self._on_subscribe
        self._client = self._client_class(
            paho, on_message=self._on_message, on_end=self._ended.set, is_full=lambda: self._is_full
        )
        await self._client.open(self._login.host, self._login.port, KEEPALIVE_S, **self._protocol.connect_arguments())

    async def _serve(self) -> bool:
        """Wait for the end of the connection; return whether the broker had accepted it."""
        deadline = time.monotonic() + self._protocol.answer_timeout_s
        while not self._ended.is_set():
            await wait_at_most(self._ended, KEEP_ALIVE_EVERY_S)
            if self._client is not None:
                self._client.keep_alive()
            if not self.is_connected and time.monotonic() > deadline:
                break
        accepted = self.is_connected
        if not self._stopping.is_set():
            if accepted:
                log.warning("the connection to the broker is lost, connecting again", broker=self._login.address)
            self._protocol.choose(answered=accepted or self._is_refused)
        return accepted

    def _leave(self) -> None:
        """Drop the connection. Messages of QoS 1 that were not taken come again with the next one, those of QoS 0 stay queued."""
        self._connected.clear()
        if self._client is not None:
            self._client.close()
        self._client = None
        self._queue = deque(one for one in self._queue if one.qos == 0)

    def _on_connect(self, paho: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._is_refused = reason.value != UNSUPPORTED_VERSION
            log.error("the broker refuses the connection", broker=self._login.address, reason=str(reason))
            return
        self._is_resumed = flags.session_present
        self._protocol.accepted(properties)
        if self._subscriptions and not self._stopping.is_set():
            self._last_asked = self._protocol.subscribe(paho, self._subscriptions)
        else:
            self._begin(paho)

    def _on_subscribe(self, paho: Client, userdata: Any, packet_id: int, reasons: Any, properties: Any) -> None:
        failed = [one for one in reasons if one.is_failure]
        if self._protocol.can_share and any(one.value == NO_SHARED_SUBSCRIPTIONS for one in failed):
            self._protocol.can_share = False
            self._last_asked = self._protocol.subscribe(paho, self._subscriptions)
            return
        if failed:
            log.error("the broker refuses a subscription", reason=str(failed[0]))
        if packet_id == self._last_asked:
            self._begin(paho)

    def _begin(self, paho: Client) -> None:
        # Only now, when the new subscriptions hold, or messages in between would be nobody's.
        self._protocol.unsubscribe(paho, self._unsubscribe, self._subscriptions)
        log.info(
            "connected to the broker",
            broker=self._login.address,
            protocol=self._protocol.version.name,
            resumed=self._is_resumed,
        )
        self._connected.set()

    def _on_message(self, topic: str, payload: bytes, packet_id: int, qos: int, is_retained: bool) -> None:
        if qos == 0 and not self._has_room:
            self.overflowed += 1
            return
        self._queue.append(Message(topic, payload, time.time(), is_retained, packet_id, qos, self._number))
        if len(self._queue) == 1:
            self._arrived.set()

    @property
    def _has_room(self) -> bool:
        return len(self._queue) < self._login.receive_maximum

    @property
    def _is_full(self) -> bool:
        """Whether reading pauses; with MQTT 5 the broker stops sending before that."""
        return len(self._queue) >= 2 * self._login.receive_maximum
