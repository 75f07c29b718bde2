"""Packets as they come from the kernel, cut anywhere, on a real pair of sockets."""

import socket
import struct
from collections.abc import Iterator

import pytest
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from telemetry.mqtt.paho_packets import BufferedSocket, WireClient

V3, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
TOPIC = b"shellyplus1pm-a8032412c3d4/events/rpc"


def publish(payload: bytes, *, qos: int = 1, properties: bytes | None = None, retain: bool = False) -> bytes:
    body = struct.pack("!H", len(TOPIC)) + TOPIC + (b"\0\7" if qos else b"")
    body += (bytes([len(properties)]) + properties if properties is not None else b"") + payload
    length, size = b"", len(body)
    while size > 127:
        length, size = length + bytes([size % 128 | 128]), size // 128
    return bytes([0x30 | qos << 1 | retain]) + length + bytes([size]) + body


@pytest.fixture
def broker() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        Wire.ours = ours
        yield theirs


class Wire(WireClient):
    """A client that is connected already."""

    ours: socket.socket

    def __init__(self, version: MQTTProtocolVersion) -> None:
        super().__init__("c", version, is_clean=True)
        self.heard: list[tuple[bytes, bytes, int, int, bool]] = []
        self.on_device_message = lambda *message: self.heard.append(message)
        self.wire = self._sock = BufferedSocket(self.ours)

    def read_all(self) -> None:
        assert self.read_packet() == MQTTErrorCode.MQTT_ERR_SUCCESS
        while self.wire.pending():
            assert self.read_packet() == MQTTErrorCode.MQTT_ERR_SUCCESS


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize("piece", [1, 2, 3, 50, 100_000])
def test_messages_arrive_whole_however_they_are_cut(broker: socket.socket, version: MQTTProtocolVersion, piece: int) -> None:
    client = Wire(version)
    none = b"" if version == V5 else None
    payloads = [b"", b"x", b"y" * 200, b"z" * 20_000, b"{}"]
    stream = b"".join(publish(one, properties=none) for one in payloads)
    stream += publish(b"old", qos=0, properties=none, retain=True) + b"\xd0\0" + publish(b"last", properties=none)
    if piece == 1:
        stream = publish(b"y" * 200, properties=none) + publish(b"last", properties=none)
        payloads = [b"y" * 200]
    for start in range(0, len(stream), piece):
        broker.sendall(stream[start : start + piece])
        client.read_all()
    old = [(TOPIC, b"old", 0, 0, True)] if piece > 1 else []
    assert client.heard == [*((TOPIC, one, 7, 1, False) for one in payloads), *old, (TOPIC, b"last", 7, 1, False)]


def test_a_message_with_properties_is_read_by_the_library(broker: socket.socket) -> None:
    client = Wire(V5)
    broker.sendall(
        publish(b"plain", properties=b"") + publish(b"dated", properties=b"\2\0\0\0\5") + publish(b"plain", properties=b"")
    )
    client.read_all()
    assert [payload for _topic, payload, *_ in client.heard] == [b"plain", b"dated", b"plain"]


def test_many_acknowledgements_are_one_piece(broker: socket.socket) -> None:
    client = Wire(V5)
    client.acknowledge([1, 258])
    assert client.wire.flush()
    assert broker.recv(100) == b"\x40\2\0\1\x40\2\1\2"


@pytest.mark.parametrize("stream", [b"\x32\xff\xff\xff\xff\1", b"\x32\3\0\5a"])
def test_a_broken_packet_ends_the_connection(broker: socket.socket, stream: bytes) -> None:
    client = Wire(V5)
    broker.sendall(stream)
    assert client.read_packet() != MQTTErrorCode.MQTT_ERR_SUCCESS
    assert client.heard == []
