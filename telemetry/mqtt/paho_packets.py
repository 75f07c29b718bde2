"""paho's client, made quick for our event loop.

paho asks its socket four times for each packet; this socket asks the kernel once for many. And of the packets that come by the thousand,
devices' messages in and acknowledgements out, paho's client is spared altogether.
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

PUBLISH, PUBACK = 0x3, 0x40
# Of the bytes of a packet's length, each has seven bits and says whether another follows; there are four at most.
MOST_LENGTH_BITS = 28
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

    def peek(self) -> tuple[int, int, int]:
        """Return the first byte of the next packet, and where its body begins and ends; all zero unless all of it has been received."""
        received, at = self._received, self._position + 1
        size = bits = 0
        while at < len(received) and bits < MOST_LENGTH_BITS:
            byte = received[at]
            size |= (byte & 127) << bits
            at, bits = at + 1, bits + 7
            if byte < 128:
                return (received[self._position], at, at + size) if at + size <= len(received) else (0, 0, 0)
        return 0, 0, 0

    def received(self, start: int, end: int) -> bytes:
        """Return what lies between two places that `peek` found."""
        return self._received[start:end]

    def skip_to(self, end: int) -> None:
        """Go on after what has been used."""
        self._position = end

    def put(self, data: bytes) -> None:
        """Let whole packets, whose number the caller bounds, wait for the next flush."""
        self._unsent += data

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

    def read_packet(self) -> MQTTErrorCode:
        """Read one packet of what has been received, or a part of one."""
        if self._in_packet["command"] == 0:
            first, start, end = self.wire.peek()
            if first >> 4 == PUBLISH and self._deliver(first, self.wire.received(start, end)):
                self.wire.skip_to(end)
                return MQTTErrorCode.MQTT_ERR_SUCCESS
        return self.loop_read()

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Let the acknowledgements of messages of QoS 1 wait for the next flush."""
        self.wire.put(b"".join(struct.pack("!BBH", PUBACK, 2, mid) for mid in mids))

    def _handle_publish(self) -> MQTTErrorCode:
        if self._deliver(self._in_packet["command"], bytes(self._in_packet["packet"])):
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super()._handle_publish()

    def _deliver(self, command: int, packet: bytes) -> bool:
        """Read topic, payload, packet id, QoS and whether it is retained; False for what is not as devices send it: that is paho's."""
        qos = command >> 1 & 3
        start = 2 + int.from_bytes(packet[:2], "big")
        mid = int.from_bytes(packet[start : start + 2], "big") if qos else 0
        end = start + (2 if qos else 0) + (self._protocol == MQTTProtocolVersion.MQTTv5)
        if qos > 1 or end > len(packet) or (self._protocol == MQTTProtocolVersion.MQTTv5 and packet[end - 1]):
            return False
        self.on_device_message(packet[2:start], packet[end:], mid, qos, bool(command & 1))
        return True
