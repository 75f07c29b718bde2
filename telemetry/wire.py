"""paho's client, made quick for our event loop.

paho asks its socket three times for each packet; this socket asks the kernel once for many.
"""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

CHUNK = 64 * 1024
MOST_UNSENT = 1024 * 1024
CLOSING_S = 1.0


class BufferedSocket:
    """A socket as paho uses one. What is sent waits for `flush`, so that a thousand acknowledgements are one packet."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket."""
        self._sock = sock
        self._received = b""
        self._position = 0
        self._unsent = bytearray()
        self.before_close: Callable[[], None] | None = None

    def recv(self, size: int) -> bytes:
        """Return at most so many bytes, empty at the end. Raises BlockingIOError, OSError."""
        if self._position >= len(self._received):
            self._received = self._sock.recv(CHUNK)
            self._position = 0
        data = self._received[self._position : self._position + size]
        self._position += len(data)
        return data

    def pending(self) -> int:
        """Return how many bytes have been received and not read: the kernel doesn't know of them."""
        return len(self._received) - self._position

    def send(self, data: bytes | bytearray) -> int:
        """Take the bytes for the next flush. Raises BlockingIOError while too many wait."""
        if len(self._unsent) > MOST_UNSENT:
            raise BlockingIOError
        self._unsent += data
        return len(data)

    def flush(self) -> bool:
        """Send what waits; True when nothing is left. Raises OSError."""
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                return False
            del self._unsent[:sent]
        return True

    def close(self) -> None:
        """Send what waits, if it can be, and close. An event loop has to be told before, while the descriptor is still ours."""
        if self.before_close is not None:
            self.before_close()
        with contextlib.suppress(OSError):
            self._sock.settimeout(CLOSING_S)
            self._sock.sendall(self._unsent)
        self._unsent.clear()
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set whether calls wait."""
        self._sock.setblocking(flag)


class WireClient(Client):
    """paho's client on such a socket. A message as devices send it, without properties, goes to `on_device_message` at once."""

    wire: BufferedSocket
    on_device_message: Callable[[bytes, bytes, int, int, bool], None]

    def __init__(self, client_id: str, version: MQTTProtocolVersion, *, is_clean: bool) -> None:
        """Connect to nothing yet; `is_clean` begins a new session, which only MQTT 3.1.1 is told here."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
            clean_session=None if version == MQTTProtocolVersion.MQTTv5 else is_clean,
        )
        self.on_message = self._on_any_message

    def _create_socket(self) -> Any:
        self.wire = BufferedSocket(super()._create_socket())  # type: ignore[arg-type]
        return self.wire

    def _on_any_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        topic = message._topic  # noqa: SLF001 – `topic` raises where it is no text
        self.on_device_message(topic, bytes(message.payload), message.mid, message.qos, message.retain)

    def _handle_publish(self) -> MQTTErrorCode:
        """Read topic, payload, packet id, QoS and whether it is retained; paho's own way builds three objects and reads all properties."""
        command, packet = self._in_packet["command"], bytes(self._in_packet["packet"])
        qos = command >> 1 & 3
        start = 2 + int.from_bytes(packet[:2], "big")
        mid = int.from_bytes(packet[start : start + 2], "big") if qos else 0
        end = start + (2 if qos else 0) + (self._protocol == MQTTProtocolVersion.MQTTv5)
        if qos > 1 or end > len(packet) or (self._protocol == MQTTProtocolVersion.MQTTv5 and packet[end - 1]):
            return super()._handle_publish()
        self.on_device_message(packet[2:start], packet[end:], mid, qos, bool(command & 1))
        return MQTTErrorCode.MQTT_ERR_SUCCESS
