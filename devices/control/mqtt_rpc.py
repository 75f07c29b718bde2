"""Requests to devices over MQTT, and their answers: one connection for each process that commands.

A device writes its answer on the topic that the request names as `src`, with `/rpc` behind it (real ones) or without. Each device has such
a topic of its own, so that the broker's rules can keep others from it, and each request an id that can't be guessed.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from common.async_tasks import end
from common.mqtt.connection import Connection, Login, Subscription
from common.mqtt.protocol import V3
from devices.constants import RPC_REPLIES
from devices.control.exceptions import BrokerAway
from devices.sockets.device_socket import relay_changes

# Other processes' requests for whole statuses are answered one level deeper, and are not heard here.
REPLY_FILTERS = (f"{RPC_REPLIES}/+", f"{RPC_REPLIES}/+/rpc")
# How long a process that has just begun waits for its first connection.
CONNECT_S = 2.0
MOST_AT_ONCE = 1_000


class Listener(NamedTuple):
    """How a device hears requests: its MAC in lower case, and the prefix of its topics."""

    mac: str
    prefix: str

    @property
    def reply_topic(self) -> str:
        """The `src` of requests. A prefix with slashes has no account of its own at the broker, and would be two levels."""
        return f"{RPC_REPLIES}/{self.mac if '/' in self.prefix else self.prefix}"

    @property
    def notification_topic(self) -> str:
        return f"{self.prefix}/events/rpc"

    def is_sender(self, frame: Mapping[str, Any]) -> bool:
        """Tell whether a frame names the device as its source (`<model>-<mac>`)."""
        return str(frame.get("src")).rpartition("-")[2].lower() == self.mac


# The device, the number of the relay, and the fields that have changed.
OnChange = Callable[[Listener, int, dict[str, Any]], None]


class _Request(NamedTuple):
    listener: Listener
    answer: "asyncio.Future[dict[str, Any]]"


class MqttRpc:
    """Requests of one event loop, and who waits for their answers."""

    def __init__(self) -> None:
        self._requests: dict[int, _Request] = {}
        self._watched: dict[str, tuple[Listener, OnChange]] = {}
        login = Login(
            host=settings.MQTT_BROKER_HOST,
            port=settings.MQTT_BROKER_PORT,
            client_id=f"ecowatt-control-{secrets.token_hex(8)}",
            user=settings.MQTT_SHELLY_USER,
            password=settings.MQTT_SHELLY_PASS,
            newest=V3,
        )
        self._connection = Connection(login, [Subscription(one) for one in REPLY_FILTERS])
        self._tasks = [asyncio.create_task(self._connection.run()), asyncio.create_task(self._hear())]
        self._began = asyncio.get_running_loop().time()

    async def request(self, listener: Listener, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the device's answer, however long it takes. Raises BrokerAway."""
        await self._connected()
        number = secrets.randbelow(2**31 - 1) + 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._requests[number] = _Request(listener, answer)
        request = {"id": number, "src": listener.reply_topic, "method": method, "params": dict(params)}
        try:
            if not self._connection.publish(f"{listener.prefix}/rpc", orjson.dumps(request), qos=1):
                raise BrokerAway
            return await answer
        finally:
            del self._requests[number]

    def watch(self, listener: Listener, on_change: OnChange) -> None:
        """Have each change that the device notifies of its relays told, until `unwatch`."""
        self._watched[topic := listener.notification_topic] = listener, on_change
        self._connection.subscribe(Subscription(topic, qos=0))

    def unwatch(self, listener: Listener) -> None:
        del self._watched[topic := listener.notification_topic]
        self._connection.unsubscribe(Subscription(topic, qos=0))

    async def close(self) -> None:
        await self._connection.close()
        await end(self._tasks)

    async def _connected(self) -> None:
        """Wait for the first connection for a moment, and for no later one. Raises BrokerAway."""
        left = CONNECT_S - (asyncio.get_running_loop().time() - self._began)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0.0)):
                await self._connection.wait_connected()
        if not self._connection.is_connected:
            raise BrokerAway

    async def _hear(self) -> None:
        while messages := await self._connection.take(MOST_AT_ONCE):
            for message in messages:
                with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError):  # no frame, or not as it should be
                    self._frame(message.topic, orjson.loads(message.payload))
            self._connection.acknowledge(messages)

    def _frame(self, topic: str, frame: dict[str, Any]) -> None:
        if (watched := self._watched.get(topic)) is None:
            self._answer(topic, frame)
        elif watched[0].is_sender(frame):
            for number, change in relay_changes(frame).items():
                watched[1](watched[0], number, change)

    def _answer(self, topic: str, frame: dict[str, Any]) -> None:
        """Give an answer to who waits for it. What is late, of an unknown id, or another device's is dropped quietly."""
        request = self._requests.get(frame["id"])
        if request is None or request.answer.done() or topic.removesuffix("/rpc") != request.listener.reply_topic:
            return
        if request.listener.is_sender(frame) and ("result" in frame or "error" in frame):
            request.answer.set_result(frame)
