"""One session with the broker, kept up for as long as it takes. Everything runs on the event loop."""

import asyncio
import contextlib
import random
import time
from typing import Any

import structlog
from django.conf import settings

from telemetry.mqtt.incoming import Delivery, Inbox
from telemetry.mqtt.instance_lease import Claim
from telemetry.mqtt.paho_loop import Pump
from telemetry.mqtt.paho_packets import WireClient
from telemetry.mqtt.versions import PATIENCE_S, V3, Dialect, Subscriptions

log = structlog.get_logger(__name__)

KEEPALIVE_S = 60
MISC_EVERY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
UNSUPPORTED_VERSION = 0x84


class TakenOver(Exception):
    """Another process goes by this one's number."""


class Link:
    """The connection of one ingest process."""

    def __init__(self, client_id: str, reply_topic: str, claim: Claim, *, subscribes: bool = True) -> None:
        """Connect to nothing yet; without `subscribes`, the session's subscriptions are ended when it is connected."""
        self._client_id = client_id
        self._claim = claim
        self._subscribes = subscribes
        self._subscriptions = Subscriptions(reply_topic)
        self._dialect = Dialect()
        self._is_refused = False
        self._is_resumed = False
        self._session = 0
        self._pump: Pump | None = None
        self._ended = asyncio.Event()
        self._is_stopping = False
        self.inbox = Inbox()
        self.connected = asyncio.Event()

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
        taken = await self.inbox.take(most)
        if self._pump is not None and self._pump.is_paused and self.inbox.has_room and not self._is_stopping:
            self._pump.resume()
        return taken

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Tell the broker that it may forget the messages; those of a lost connection it sends again anyway."""
        if self._pump is None:
            return
        if mids := [one.mid for one in deliveries if one.qos and one.session == self._session]:
            self._pump.client.acknowledge(mids)
        self._pump.write()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message at QoS 0; without a connection it is lost."""
        if self._pump is not None and self.connected.is_set():
            self._pump.client.publish(topic, payload, qos=0)
            self._pump.write()

    def stop_taking(self) -> None:
        """Give out no more messages; what has not been taken stays with the broker."""
        self._is_stopping = True
        self.inbox.close()
        if self._pump is not None:
            self._pump.pause()

    async def close(self, *, forgets: bool = False) -> None:
        """Disconnect; `forgets` ends the session, and with it what is queued for it."""
        self._is_stopping = True
        if forgets and self._dialect.version == V3 and self._pump is not None:
            await self._forget_v3()
        if self._pump is not None:
            self._pump.client.disconnect(properties=self._dialect.farewell(forgets=forgets))
            self._pump.write()
        self._ended.set()

    async def _forget_v3(self) -> None:
        """End a session of MQTT 3.1.1: by beginning a clean one in its place."""
        self._leave()
        await self._open(is_clean=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.connected.wait(), PATIENCE_S)

    async def _connect(self) -> None:
        self._session += 1
        self._ended.clear()
        self._is_refused = False
        await self._open(**self._dialect.session())

    async def _open(self, *, is_clean: bool = False, **arguments: Any) -> None:
        self._pump = Pump(self._new_client(is_clean=is_clean), is_full=lambda: self.inbox.is_full, on_end=self._ended.set)
        await self._pump.open(settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT, KEEPALIVE_S, **arguments)

    def _new_client(self, *, is_clean: bool) -> WireClient:
        client = WireClient(self._client_id, self._dialect.version, is_clean=is_clean)
        if settings.MQTT_SHELLY_USER:
            client.username_pw_set(settings.MQTT_SHELLY_USER, settings.MQTT_SHELLY_PASS)
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self._ended.set()
        client.on_subscribe = self._on_subscribe
        client.on_device_message = self._on_device_message
        return client

    async def _serve(self) -> bool:
        """Wait for the end of the connection; tell whether the broker had accepted it."""
        deadline = time.monotonic() + self._dialect.patience_s
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), MISC_EVERY_S)
            if self._pump is not None:
                self._pump.tend()
            if not self.connected.is_set() and time.monotonic() > deadline:
                break
        accepted = self.connected.is_set()
        if not self._is_stopping:
            if accepted:
                log.warning("the connection to the broker is lost, connecting again", broker=_broker())
            self._dialect.choose(answered=accepted or self._is_refused)
        return accepted

    def _leave(self) -> None:
        """Forget the connection. Messages that were not taken come again with the next one."""
        self.connected.clear()
        if self._pump is not None:
            self._pump.close()
        self._pump = None
        self.inbox.forget_unacknowledged()

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._is_refused = reason.value != UNSUPPORTED_VERSION
            log.error("the broker refuses the connection", broker=_broker(), reason=str(reason))
            return
        self._is_resumed = flags.session_present
        if self._subscribes:
            self._subscriptions.begin(client, self._dialect.version, properties)
        else:
            self._subscriptions.end(client)
            self._begin()

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        if self._subscriptions.answered(client, mid, reasons):
            self._begin()

    def _begin(self) -> None:
        log.info("connected to the broker", broker=_broker(), protocol=self._dialect.version.name, resumed=self._is_resumed)
        self.connected.set()

    def _on_device_message(self, topic: bytes, payload: bytes, mid: int, qos: int, is_retained: bool) -> None:
        self.inbox.put(topic, payload, mid=mid, qos=qos, is_retained=is_retained, session=self._session)


def _broker() -> str:
    return f"{settings.MQTT_BROKER_HOST}:{settings.MQTT_BROKER_PORT}"
