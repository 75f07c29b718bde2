"""Messages of QoS 0 and 1 read, and acknowledgements written, without paho's client, which takes eight times as long for them.

Every other packet is paho's, and so is a message with properties. The one private part of paho in use is the method that makes its
socket; so the reader is verified for one version of paho, and with another one `EventLoopClient` does it all.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import paho.mqtt
import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion

from common.mqtt.event_loop_client import EventLoopClient

log = structlog.get_logger(__name__)

# requirements/base.in pins it. To verify another one, set it here and there, and run common/tests/mqtt.
VERIFIED_PAHO = "2.2.0"
PUBLISH, PUBACK = 0x3, 0x40
NO_PROPERTIES = b"\0"
# Each of the one to four bytes of a packet's length has seven bits of it, and says whether another one follows.
LENGTH_BYTES = 4
CHUNK = 64 * 1024
MOST_UNSENT = 1024 * 1024
CLOSING_S = 1.0


class PacketSocket:
    """A socket that reads and writes many packets per system call. paho reads from it only the whole packets that it is handed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = b""
        self._handed = b""
        self._is_over = False
        self._unsent = bytearray()

    def receive(self) -> None:
        """Call recv once and keep what it returns."""
        try:
            data = self._sock.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        self._is_over = not data
        self._received += data

    def packets(self) -> Iterator[tuple[bytes, int]]:
        """Yield each whole packet received and the offset of its body.

        The offset is 0 for bytes that are no packet, and for the empty packet that stands for the end of the connection.
        """
        received, at = self._received, 0
        try:
            while found := _end_of_packet(received, at):
                body, end = found
                yield received[at:end], body - at if body else 0
                at = end
        finally:
            self._received = received[at:]
        if self._is_over:
            yield b"", 0

    def hand_over(self, packet: bytes) -> None:
        """Let paho read this packet next; an empty one means the end of the connection."""
        self._handed = packet

    def recv(self, size: int) -> bytes:
        """Return at most `size` bytes of the packet handed over; empty at the end of the connection. Raises BlockingIOError."""
        if not self._handed and not self._is_over:
            raise BlockingIOError
        data, self._handed = self._handed[:size], self._handed[size:]
        return data

    def send(self, data: bytes | bytearray) -> int:
        """Buffer the bytes for the next flush. Raises BlockingIOError while too many are unsent."""
        if len(self._unsent) > MOST_UNSENT:
            raise BlockingIOError
        self._unsent += data
        return len(data)

    def put(self, data: bytes) -> None:
        """Buffer whole packets for the next flush; the caller bounds their number."""
        self._unsent += data

    def flush(self) -> bool:
        """Send what is buffered; return whether all of it went out. Raises OSError."""
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            del self._unsent[:sent]
        return True

    def pending(self) -> int:
        """Return how many bytes TLS holds, of which the event loop's selector knows nothing."""
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0

    def close(self) -> None:
        """Send what is buffered, for CLOSING_S at most, and close."""
        with contextlib.suppress(OSError):
            self._sock.settimeout(CLOSING_S)
            self._sock.sendall(self._unsent)
        self._unsent.clear()
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._sock.setsockopt(level, option, value)


class PahoOnPacketSocket(Client):
    """paho's client on a PacketSocket."""

    packet_socket: PacketSocket

    def _create_socket(self) -> Any:
        self.packet_socket = PacketSocket(super()._create_socket())  # type: ignore[arg-type]
        return self.packet_socket


class FastEventLoopClient(EventLoopClient):
    """Reads plain messages itself and leaves other packets to paho; sends many acknowledgements in one piece."""

    paho_class = PahoOnPacketSocket
    paho: PahoOnPacketSocket

    def write(self) -> None:
        super().write()
        if self.paho.socket() is None:
            return
        sock = self.paho.packet_socket
        try:
            is_done = sock.flush() and not self.paho.want_write()
        except OSError:
            self._on_end()
            return
        if is_done:
            self._loop.remove_writer(sock)
        else:
            self._loop.add_writer(sock, self.write)

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        super().write()  # what paho has queued goes out before them
        if self.paho.socket() is not None:
            self.paho.packet_socket.put(b"".join(struct.pack("!BBH", PUBACK, 2, one) for one in packet_ids))

    def _read(self) -> None:
        if self.is_paused or self.paho.socket() is None:
            return
        sock = self.paho.packet_socket
        sock.receive()
        for packet, body in sock.packets():
            if not self._take_plain_message(packet, body):
                sock.hand_over(packet)
                if not self._read_packet():
                    return
        self._after_reading()

    def _take_plain_message(self, packet: bytes, body: int) -> bool:
        """Deliver a message of QoS 0 or 1 that has no properties; return False if the packet is anything else."""
        if not body or packet[0] >> 4 != PUBLISH or (qos := packet[0] >> 1 & 3) > 1:
            return False
        topic_end = body + 2 + int.from_bytes(packet[body : body + 2], "big")
        start = topic_end + 2 * qos  # a packet id of two bytes, where there is one
        if self.paho.protocol == MQTTProtocolVersion.MQTTv5:
            if packet[start : start + 1] != NO_PROPERTIES:
                return False
            start += 1
        if start > len(packet) or topic_end == body + 2:
            return False
        try:
            topic = packet[body + 2 : topic_end].decode()
        except UnicodeDecodeError:
            return False
        packet_id = int.from_bytes(packet[topic_end : topic_end + 2], "big") if qos else 0
        self._on_message(topic, packet[start:], packet_id, qos, bool(packet[0] & 1))
        return True


def client_class() -> type[EventLoopClient]:
    """Return the fast client if it is verified for the installed paho, else the one that uses paho alone, with a line in the log."""
    if paho.mqtt.__version__ == VERIFIED_PAHO:
        return FastEventLoopClient
    log.warning("messages are read by paho alone, which is slower", paho=paho.mqtt.__version__, verified=VERIFIED_PAHO)
    return EventLoopClient


def _end_of_packet(received: bytes, at: int) -> tuple[int, int] | None:
    """Return where the body of the packet at this offset begins and ends; None if it is not all there yet.

    After an invalid length nothing can be told apart, so the rest counts as one packet whose body begins at 0.
    """
    size = 0
    for number, byte in enumerate(received[at + 1 : at + 1 + LENGTH_BYTES]):
        size |= (byte & 127) << 7 * number
        if byte < 128:
            body = at + 2 + number
            return (body, body + size) if body + size <= len(received) else None
    return (0, len(received)) if len(received) > at + LENGTH_BYTES + 1 else None
