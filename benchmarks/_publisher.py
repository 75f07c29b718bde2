"""Publishes notifications of many devices at QoS 1 over one raw connection, so that the load itself costs little."""

import select
import socket
import struct
import time

import orjson

WINDOW = 2_000


def _packet(kind: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | 128 if size else digit])
        if not size:
            return bytes([kind]) + length + body


def _text(value: str) -> bytes:
    return struct.pack("!H", len(value)) + value.encode()


def notification(mac: str, number: int, at: float, *, full: bool = False, under: str = "") -> bytes:
    """Return a PUBLISH of a change of power, or of a full status, on the device's topic or on that below another one."""
    name = f"shellyplus1pm-{mac}"
    fields: dict[str, object] = {"id": 0, "apower": 100.0 + number % 977, "current": 0.8}
    if full:
        fields |= {"voltage": 127.3, "aenergy": {"total": 1000.0 + number, "by_minute": [0.0, 0.0, 0.0], "minute_ts": int(at)}}
    method = "NotifyFullStatus" if full else "NotifyStatus"
    body = {"src": name, "dst": f"{name}/events", "method": method, "params": {"ts": round(at, 4), "switch:0": fields}}
    return _packet(0x32, _text(f"{under}{name}/events/rpc") + b"\0\1" + orjson.dumps(body))


def publish(port: int, packets: list[bytes]) -> float:
    """Send all packets; return the monotonic time at which the broker had acknowledged the last."""
    with socket.create_connection(("127.0.0.1", port)) as broker:
        broker.sendall(_packet(0x10, _text("MQTT") + b"\4\2\0\0" + _text("publisher")))
        assert broker.recv(4)[:1] == b"\x20"
        sent = acknowledged = 0
        unread = 0
        while acknowledged < len(packets):
            chunk = packets[sent : sent + min(200, WINDOW - (sent - acknowledged))]
            if chunk:
                broker.sendall(b"".join(chunk))
                sent += len(chunk)
            wait = None if not chunk else 0
            while select.select([broker], [], [], wait)[0]:
                unread += len(broker.recv(65_536))
                acknowledged, wait = unread // 4, 0
        return time.monotonic()
