"""A simulated device's outbound WebSocket: one socket to its server, on which it notifies and is asked."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from devices.simulator.connections.running import RunningDevice, reconnecting
from devices.simulator.connections.tls import tls_context
from devices.simulator.shelly.notifications import Notification

SOURCE = "WS_out"
SUBPROTOCOL = Subprotocol("json-rpc")
DESTINATION = "ws"
OPEN_TIMEOUT_S = 5
MOST_UNSENT = 100


class WebSocketConnection:
    """A device's socket, by the device's own settings (`server` is the URL, with the token that names the device)."""

    def __init__(self, running: RunningDevice, *, on_change: Callable[[str], None] = lambda reason: None) -> None:
        """`on_change` is called with nothing when it is connected, and with the reason when it is not (any more)."""
        self._running, self._device, self._on_change = running, running.device, on_change
        self._socket: ClientConnection | None = None
        self._unsent: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_UNSENT)
        running.connections.append(self)

    async def run(self) -> None:
        await reconnecting(self._connect, self._running.timing.reconnects)

    def send(self, notifications: Sequence[Notification]) -> None:
        for notification in notifications:
            self._put(notification.frame(self._device.id, DESTINATION))

    def cut(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()

    def is_done(self) -> bool:
        return self._socket is not None and self._unsent.empty()

    async def _connect(self) -> bool:
        settings = self._device.websocket.active
        if not settings["enable"] or not settings["server"]:
            return False
        try:
            async with connect(
                settings["server"], subprotocols=[SUBPROTOCOL], ssl=_tls(settings), open_timeout=OPEN_TIMEOUT_S, proxy=None
            ) as socket:
                await self._serve(socket)
        except InvalidURI:  # whose message would show the token
            self._on_change("its address is none")
            return False
        except (OSError, TimeoutError, WebSocketException, ValueError) as error:
            self._on_change(str(error) or type(error).__name__)
            return False
        self._on_change("the connection is lost")
        return True

    async def _serve(self, socket: ClientConnection) -> None:
        """Say everything, then notify and answer until the socket closes."""
        while not self._unsent.empty():  # what was said to nobody
            self._unsent.get_nowait()
        self._socket = socket
        self._on_change("")
        self._device.connection_made("ws", self._running.clock.now())
        self._running.flush()
        sending = asyncio.create_task(self._send(socket))
        try:
            async for text in socket:
                self._request(text)
        finally:
            self._socket = None
            self._device.connection_lost("ws")
            sending.cancel()
            socket.transport.abort()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(orjson.dumps(await self._unsent.get()).decode())

    def _request(self, text: str | bytes) -> None:
        with suppress(orjson.JSONDecodeError):
            self._running.receive(orjson.loads(text), source=SOURCE, reply=self._put)

    def _put(self, frame: dict[str, Any]) -> None:
        if self._socket is not None:
            with suppress(asyncio.QueueFull):
                self._unsent.put_nowait(frame)
                self._running.counts["messages"] += 1


def _tls(settings: dict[str, Any]) -> ssl.SSLContext | None:
    return tls_context(settings["ssl_ca"]) if settings["server"].startswith("wss:") else None
