"""A broker that knows less than Mosquitto does, which no option of it makes: Mosquitto, with someone before it who answers for it."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

CONNECT, CONNACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x82, 0x90
MQTT_5 = 5
SHARED = b"$share/"
REFUSED_VERSION = bytes([CONNACK, 2, 0, 1])
# Reason code of MQTT 5, and the property of a CONNACK that says so beforehand.
NO_SHARED_SUBSCRIPTIONS = 0x9E
SHARED_AVAILABLE = 0x2A


class Packet(NamedTuple):
    """An MQTT packet: its first byte, and what follows its length."""

    kind: int
    body: bytes

    def encode(self) -> bytes:
        length, rest = b"", len(self.body)
        while True:
            rest, digit = rest // 128, rest % 128
            length += bytes([digit | (0x80 if rest else 0)])
            if not rest:
                return bytes([self.kind]) + length + self.body


# What becomes of a packet: it goes on, as it is or another in its place, or these bytes are its answer; none hang up.
Word = Packet | bytes
Judge = Callable[[Packet], Word]


def unchanged(packet: Packet) -> Word:
    """Let everything through."""
    return packet


def without_mqtt_5(packet: Packet) -> Word:
    """A broker of MQTT 3.1.1 refuses a newer client in its own way."""
    is_new = packet.kind == CONNECT and packet.body[6] == MQTT_5
    return REFUSED_VERSION if is_new else packet


def without_sharing(packet: Packet) -> Word:
    """A broker may say that it knows no shared subscriptions only when it is asked for some."""
    if packet.kind != SUBSCRIBE or SHARED not in packet.body:
        return packet
    topics = packet.body.count(SHARED)
    return Packet(SUBACK, packet.body[:2] + b"\0" + bytes([NO_SHARED_SUBSCRIPTIONS]) * topics).encode()


def hanging_up_on_sharing(packet: Packet) -> Word:
    """A broker that said so beforehand may take it for a breach of protocol."""
    return b"" if packet.kind == SUBSCRIBE and SHARED in packet.body else packet


def announcing_no_sharing(packet: Packet) -> Word:
    """Say so beforehand: a property more in the answer to CONNECT, whose properties have a length of one byte."""
    if packet.kind != CONNACK:
        return packet
    flags, length, properties = packet.body[:2], packet.body[2], packet.body[3:]
    return Packet(CONNACK, flags + bytes([length + 2]) + properties + bytes([SHARED_AVAILABLE, 0]))


@contextlib.contextmanager
def before(port: int, up: Judge, down: Judge = unchanged) -> Iterator[int]:
    """Stand before the broker at the port; give the port to come to. `up` judges what clients send, `down` what the broker does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, port, up, down), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, port: int, up: Judge, down: Judge) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            broker = socket.create_connection(("127.0.0.1", port))
            for source, target, judge in ((client, broker, up), (broker, client, down)):
                threading.Thread(target=_relay, args=(source, target, judge), daemon=True).start()


def _relay(source: socket.socket, target: socket.socket, judge: Judge) -> None:
    """Hand packets on until one side hangs up, or is hung up on."""
    with contextlib.suppress(OSError), source.makefile("rb") as stream:
        while packet := _read(stream):
            word = judge(packet)
            if not word:
                break
            if isinstance(word, Packet):
                target.sendall(word.encode())
            else:
                source.sendall(word)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _read(stream: BinaryIO) -> Packet | None:
    """Return the next packet, None at the end."""
    if not (head := stream.read(1)):
        return None
    length, shift = 0, 0
    while True:
        (digit,) = stream.read(1) or b"\0"
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return Packet(head[0], stream.read(length))
