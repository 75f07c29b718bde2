"""paho's client on the event loop: bytes in, bytes out, without a thread; only connecting, which blocks, has one."""

import asyncio
from collections.abc import Callable
from typing import Any

from paho.mqtt.enums import MQTTErrorCode

from telemetry.mqtt.paho_packets import WireClient

PACKETS_A_TURN = 200


class Pump:
    """Moves what one client reads and writes."""

    def __init__(self, client: WireClient, *, is_full: Callable[[], bool], on_end: Callable[[], None]) -> None:
        """Pause reading when `is_full`; call `on_end` when the connection is over."""
        self.client = client
        self.is_paused = False
        self._is_full = is_full
        self._on_end = on_end

    async def open(self, host: str, port: int, keepalive_s: int, **arguments: Any) -> None:
        """Connect and begin to read. Raises OSError, ValueError."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.client.connect, host, port, keepalive_s, **arguments)
        self.client.on_socket_register_write = lambda *_: None  # or paho would write each packet by itself
        self.client.wire.before_close = self._detach
        if not self.is_paused:
            self._loop.add_reader(self.client.wire, self._read)
        self.write()

    def tend(self) -> None:
        """Keep the connection alive; call it every second."""
        if not self.is_paused:
            self.client.loop_misc()
            self.write()

    def write(self) -> None:
        """Send what waits, now or when the socket takes it."""
        if self.client.socket() is None:
            return
        try:
            self.client.loop_write()
            done = self.client.wire.flush() and not self.client.want_write()
        except OSError:
            self._on_end()
            return
        if self.client.wire.fileno() >= 0:
            if done:
                self._loop.remove_writer(self.client.wire)
            else:
                self._loop.add_writer(self.client.wire, self.write)

    def pause(self) -> None:
        """Read no more for now."""
        self.is_paused = True
        if self.client.socket() is not None and self.client.wire.fileno() >= 0:
            self._loop.remove_reader(self.client.wire)

    def resume(self) -> None:
        """Read on."""
        self.is_paused = False
        if self.client.socket() is not None:
            self._loop.add_reader(self.client.wire, self._read)
            self._loop.call_soon(self._read)

    def close(self) -> None:
        """Let go of the socket."""
        self.is_paused = True
        if self.client.socket() is not None:
            self.client.wire.close()

    def _read(self) -> None:
        client = self.client
        if self.is_paused:
            return
        for _ in range(PACKETS_A_TURN):
            if client.read_packet() != MQTTErrorCode.MQTT_ERR_SUCCESS or client.socket() is None:
                self._on_end()
                return
            if not client.wire.pending():
                break
        else:
            self._loop.call_soon(self._read)  # what has been received already wakes nobody
        if self._is_full():
            self.pause()
        if client.want_write():
            self.write()

    def _detach(self) -> None:
        if not self._loop.is_closed():  # a client that is left behind closes its socket when the interpreter ends
            self._loop.remove_reader(self.client.wire)
            self._loop.remove_writer(self.client.wire)
