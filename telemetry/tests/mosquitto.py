"""A Mosquitto of a test's own, and a device's end of it."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from common.testing import await_true, free_port, listens

BINARY = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
# CI has to have it: what is skipped there would be skipped for ever.
needed = pytest.mark.skipif(BINARY is None and not os.environ.get("CI"), reason="Mosquitto is not installed")
START = time.time() - 3600
MACS = [f"a8032412c3{number:02x}" for number in range(20)]


@contextlib.contextmanager
def mosquitto(*lines: str) -> Iterator[int]:
    """Run a broker as deploy/mosquitto sets it; give its port."""
    assert BINARY, "CI installs Mosquitto"
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ecowatt-mqtt-") as folder:
        config = Path(folder) / "mosquitto.conf"
        given = "\n".join(lines)
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nsys_interval 1\nuser root\n{given}\n"
        )
        process = subprocess.Popen([BINARY, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            await_true("the broker listens", lambda: listens(port))
            yield port
        finally:
            process.terminate()
            process.wait(10)


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
