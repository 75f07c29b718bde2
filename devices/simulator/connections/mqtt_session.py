"""One session of a simulated device with a broker."""

import asyncio
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from common.async_tasks import wait_at_most
from common.mqtt.event_loop_client import EventLoopClient
from devices.simulator.connections.tls import tls_context

KEEPALIVE_S, CONNECT_TIMEOUT_S, KEEP_ALIVE_EVERY_S = 60, 5.0, 1.0
PORT = 1883


class Refused(Exception):
    """The broker does not take the session; the message is its reason."""


class MqttSession:
    """A session as the maker's firmware has it: MQTT 3.1.1, clean, QoS 1, with a last will. It ends like a loss of power.

    `settings` are the device's: `server` (`host:port`), `client_id`, `user`, `pass`, `ssl_ca` (None: no TLS).
    """

    def __init__(self, settings: dict[str, Any], will: tuple[str, bytes], on_message: Callable[[str, bytes], None]) -> None:
        self._address = address_of(settings["server"])
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended, self._is_cut = asyncio.Event(), False
        self._on_message = on_message
        self._last: MQTTMessageInfo | None = None
        paho = _paho(settings, *will)
        paho.on_connect = self._connected
        self._client = EventLoopClient(paho, on_message=self._received, on_end=self._ended.set, is_full=lambda: False)

    async def open(self) -> None:
        """Connect. Raises OSError, Refused."""
        await self._client.open(*self._address, KEEPALIVE_S)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._accepted
        except TimeoutError:
            raise OSError("the broker does not answer") from None

    async def serve(self) -> None:
        """Keep the session up until it ends."""
        while not self._ended.is_set():
            await wait_at_most(self._ended, KEEP_ALIVE_EVERY_S)
            self._client.keep_alive()

    def subscribe(self, topics: list[str]) -> None:
        if topics:
            self._client.paho.subscribe([(topic, 1) for topic in topics])
            self._client.write()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Send a message. Raises ValueError where the topic is none."""
        self._last = self._client.paho.publish(topic, payload, qos, retain)
        self._client.write()

    def is_done(self) -> bool:
        """Tell whether the last message has left, and been acknowledged if it asks for that."""
        return self._last is None or self._last.is_published()

    def cut(self) -> None:
        """End it without a farewell: the broker publishes the last will."""
        if not self._is_cut:
            self._is_cut = True
            self._client.close()
            self._ended.set()

    def _connected(self, paho: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._accepted.done():
            return
        if reason.is_failure:
            self._accepted.set_exception(Refused(str(reason)))
        else:
            self._accepted.set_result(None)

    def _received(self, topic: str, payload: bytes, packet_id: int, qos: int, is_retained: bool) -> None:
        if qos:
            self._client.acknowledge([packet_id])
            self._client.write()
        if not is_retained:  # a command that has waited there is an old one
            self._on_message(topic, payload)


def address_of(server: str) -> tuple[str, int]:
    """Return host and port of `host:port`; without a port MQTT's."""
    host, colon, port = server.rpartition(":")
    return (host.strip("[]"), int(port)) if colon else (server, PORT)


def _paho(settings: dict[str, Any], topic: str, payload: bytes) -> Client:
    paho = Client(
        CallbackAPIVersion.VERSION2,
        settings["client_id"],
        clean_session=True,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    paho.connect_timeout = CONNECT_TIMEOUT_S
    paho.will_set(topic, payload, retain=True)
    if settings["user"]:
        paho.username_pw_set(settings["user"], settings["pass"])
    if settings["ssl_ca"]:
        paho.tls_set_context(tls_context(settings["ssl_ca"]))
    return paho
