"""A device's end of MQTT, and what it says."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from common.mqtt.connection import Message

START = time.time() - 3600
MACS = [f"a8032412c3{number:02x}" for number in range(20)]


@contextlib.contextmanager
def device(
    port: int, name: str = "", *, host: str = "127.0.0.1", hears: list[MQTTMessage] | None = None, on: str = ""
) -> Iterator[Client]:
    """Connect as a device does: MQTT 3.1.1, a clean session."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv311)
    client.max_inflight_messages_set(1000)
    if hears is not None:
        client.on_message = lambda _client, _data, message: hears.append(message)
        client.on_connect = lambda client, *_: client.subscribe(on, 1)
    client.connect(host, port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: Client, topic: str, payload: bytes) -> None:
    """Publish at QoS 1 and wait for the broker's word."""
    client.publish(topic, payload, 1).wait_for_publish(20)


def frame(mac: str, number: int, power: float) -> tuple[str, bytes]:
    """The topic and payload of a device's full status, `number` seconds after the start."""
    fields = {"id": 0, "apower": power, "voltage": 127.0, "current": 0.5, "aenergy": {"total": 100.0 + number}}
    params = {"ts": round(START + number, 2), "switch:0": fields}
    body = {"src": f"shellyplus1pm-{mac}", "dst": "x", "method": "NotifyFullStatus", "params": params}
    return f"shellyplus1pm-{mac}/events/rpc", orjson.dumps(body)


def send(client: Client, numbers: range) -> None:
    """Publish a reading of every meter for each number, and wait until the broker has them all."""
    sent = [client.publish(*frame(mac, number, 60.0), 1) for number in numbers for mac in MACS]
    for one in sent:
        one.wait_for_publish(30)


def message(topic: str, body: object, at: datetime | None = None) -> Message:
    """A message as ingest takes it from the broker, of now or of that time."""
    return Message(topic, orjson.dumps(body), (at or datetime.now(UTC)).timestamp())
