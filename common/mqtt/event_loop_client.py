"""paho's client on the event loop, through its public interface for external loops. Only connecting, which blocks, takes a thread."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

log = structlog.get_logger(__name__)

PACKETS_A_TURN = 200

# Topic (empty if it is not UTF-8), payload, packet id, QoS, whether it is retained.
OnMessage = Callable[[str, bytes, int, int, bool], None]


class EventLoopClient:
    """Reads and writes for a paho client that has `manual_ack` set and serves one connection."""

    paho_class = Client

    def __init__(self, paho: Client, *, on_message: OnMessage, on_end: Callable[[], None], is_full: Callable[[], bool]) -> None:
        """`on_end` is called when the connection is over, perhaps more than once; reading pauses when `is_full` returns True."""
        self.paho = paho
        self.is_paused = False
        self._on_message = on_message
        self._on_end = on_end
        self._is_full = is_full
        self._messages = 0
        paho.on_message = self._take_message
        paho.on_disconnect = lambda *_: on_end()

    async def open(self, host: str, port: int, keepalive_s: int, **arguments: Any) -> None:
        """Connect and begin to read. Raises OSError, ValueError."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._connect, host, port, keepalive_s, **arguments)
        self.paho.on_socket_close = lambda _client, _data, sock: self._detach(sock)
        self.paho.on_socket_register_write = lambda _client, _data, sock: self._loop.add_writer(sock, self.write)
        self.paho.on_socket_unregister_write = self._has_written
        self.write()
        if not self.is_paused:
            self.resume()

    def _connect(self, host: str, port: int, keepalive_s: int, **arguments: Any) -> None:
        """Connect, so that nothing that is sent waits until the broker has confirmed what was sent before: that takes it 40 ms."""
        self.paho.connect(host, port, keepalive_s, **arguments)
        sock: Any = self.paho.socket()
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self) -> None:
        """Send what is queued; what the socket does not take now follows when it is writable."""
        if self.paho.socket() is not None:
            self.paho.loop_write()

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Queue acknowledgements of messages of QoS 1 for the next write."""
        for packet_id in packet_ids:
            self.paho.ack(packet_id, 1)

    def keep_alive(self) -> None:
        """Ping the broker if nothing else was sent; to be called every second. While reading is paused its answer could not be read."""
        if not self.is_paused:
            self.paho.loop_misc()
            self.write()

    def pause(self) -> None:
        """Read no more for now."""
        self.is_paused = True
        if (sock := self.paho.socket()) is not None:
            self._loop.remove_reader(sock)

    def resume(self) -> None:
        self.is_paused = False
        if (sock := self.paho.socket()) is not None:
            self._loop.add_reader(sock, self._read)
            self._loop.call_soon(self._read)  # the selector knows nothing of what TLS holds

    def close(self) -> None:
        """Send what is queued and close the socket, without a DISCONNECT and without calling `on_end`."""
        self.write()
        self.is_paused = True
        if (sock := self.paho.socket()) is not None:
            self._detach(sock)
            self.paho.on_socket_close = None
            with contextlib.suppress(OSError):
                sock.close()

    def _read(self) -> None:
        if self.is_paused:
            return
        for _ in range(PACKETS_A_TURN):
            before = self._messages
            if not self._read_packet():
                return
            if self._messages == before:  # other packets are rare
                break
        self._after_reading()

    def _read_packet(self) -> bool:
        """Let paho read a packet or a part of one; return False if the connection is over."""
        try:
            if self.paho.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and self.paho.socket() is not None:
                return True
        except Exception:
            log.exception("a packet of the broker could not be read")  # paho's parser raises errors of many kinds
        self._on_end()
        return False

    def _after_reading(self) -> None:
        if getattr(self.paho.socket(), "pending", int)():
            self._loop.call_soon(self._read)
        if self._is_full():
            self.pause()

    def _take_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._messages += 1
        self._on_message(topic, bytes(message.payload), message.mid, message.qos, message.retain)

    def _has_written(self, client: Client, userdata: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _detach(self, sock: Any) -> None:
        if not self._loop.is_closed():  # a client left behind closes its socket at the end of the interpreter
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
