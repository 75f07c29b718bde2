"""MQTT packets as a broker writes them, and the packets in what a client wrote."""

import struct
from collections.abc import Iterator

from paho.mqtt.enums import MQTTProtocolVersion

V3, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, DISCONNECT = 0x20, 0x30, 0x40, 0x90, 0xB0, 0xE0
PINGRESP = b"\xd0\0"


def packet(kind: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while size > 127:
        length, size = length + bytes([size % 128 | 128]), size // 128
    return bytes([kind]) + length + bytes([size]) + body


def publish(
    topic: bytes,
    payload: bytes,
    version: MQTTProtocolVersion,
    *,
    qos: int = 1,
    packet_id: int = 7,
    properties: bytes = b"",
    retain: bool = False,
    dup: bool = False,
) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", packet_id) if qos else b"")
    body += bytes([len(properties)]) + properties if version == V5 else b""
    return packet(PUBLISH | dup << 3 | qos << 1 | retain, body + payload)


def split(stream: bytes) -> Iterator[bytes]:
    """Give the packets of what a client wrote; lengths are of one byte, as those of its short packets."""
    while stream:
        size = 2 + stream[1]
        yield stream[:size]
        stream = stream[size:]
