"""A last will, the status request after it, and the answer: ingest on a real broker, and devices at its other end."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson
import pytest
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings as configured
from django.db import connections
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pytest_django.fixtures import Settings

from common.tests.mqtt.mosquitto import mosquitto, needed
from devices.models import Device
from devices.presence.redis_scripts import KEYS, SEEN
from devices.presence.status_requests import PREFIX_OF
from telemetry.models import Reading
from telemetry.mqtt import ingester as mqtt
from telemetry.tests.mqtt_device import publish

pytestmark = [needed, pytest.mark.django_db(transaction=True)]
MAC = "a8032412c3d4"
PREFIX, PRO = f"shellyplus1pm-{MAC}", f"shellypro4pm-{MAC}"
TOTAL_WH = 5_000.0


class Shelly:
    """A device's connection: keeps the requests that come, and answers them if it is told to."""

    def __init__(self, port: int, prefix: str, *, answers: bool) -> None:
        self._id = prefix
        self.requests: list[dict[str, Any]] = []
        self._answers = answers
        self._is_listening = False
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False)
        self.client.will_set(f"{self._id}/online", b"false", 1, retain=True)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe(f"{self._id}/rpc", 1)
        self.client.on_subscribe = lambda *_: setattr(self, "_is_listening", True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def is_listening(self) -> bool:
        return self._is_listening

    def say(self, power: float) -> None:
        """Tell the whole status, as a device does that has just connected."""
        publish(self.client, f"{self._id}/online", b"true")
        params = {"ts": time.time(), "switch:0": self._switch(power)}
        body = {"src": self._id, "dst": f"{self._id}/events", "method": "NotifyFullStatus", "params": params}
        publish(self.client, f"{self._id}/events/rpc", orjson.dumps(body))

    def change(self, **fields: Any) -> None:
        """Tell what has changed of the switch."""
        body = {"src": self._id, "dst": "x", "method": "NotifyStatus", "params": {"ts": time.time(), "switch:0": fields}}
        publish(self.client, f"{self._id}/events/rpc", orjson.dumps(body))

    def die(self) -> None:
        """Break the connection off, so that the broker delivers the last will."""
        connection: Any = self.client.socket()
        connection.shutdown(socket.SHUT_RDWR)
        self.client.loop_stop()

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    @staticmethod
    def _switch(power: float) -> dict[str, Any]:
        return {"id": 0, "apower": power, "voltage": 127.0, "current": 0.5, "aenergy": {"total": TOTAL_WH}}

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        request = orjson.loads(message.payload)
        self.requests.append(request)
        if self._answers:
            # In whole seconds: one that has begun may be that of the last reading, and a channel has one reading a second.
            result = {"sys": {"mac": "A8032412C3D4", "unixtime": int(time.time()) + 1}, "switch:0": self._switch(250.0)}
            answer = {"id": request["id"], "src": self._id, "dst": request["src"], "result": result}
            client.publish(f"{request['src']}/rpc", orjson.dumps(answer), 1)


class Clock:
    """The wall's clock, which a test may put forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._wall = time.time

    def time(self) -> float:
        return self._wall() + self._ahead_s

    def forward(self, seconds: float) -> None:
        self._ahead_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock.time)
    return clock


@pytest.fixture
def broker(settings: Settings) -> Iterator[int]:
    with mosquitto() as port:
        settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT = "127.0.0.1", port
        yield port


@pytest.fixture
async def ingest(broker: int, meter: Device, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[mqtt.MqttIngester]:
    """An ingest in this process, so that its clock can be put forward, whose regular jobs come quickly."""
    monkeypatch.setattr(mqtt, "REQUEST_EVERY_S", 0.1)
    monkeypatch.setattr(mqtt, "SWEEP_EVERY_S", 0.1)
    async with redis.asyncio.Redis.from_url(configured.REDIS_URL) as store:
        await store.delete(*KEYS, PREFIX_OF)
        one, stopping = mqtt.MqttIngester(90), asyncio.Event()
        running = asyncio.create_task(one.run(stopping))
        await until(lambda: one.is_connected)
        yield one
        stopping.set()
        await running
        await store.delete(*KEYS, PREFIX_OF)
    await sync_to_async(connections.close_all)()


async def until(happens: Callable[[], Any]) -> None:
    """Wait until something is so, ten seconds at most: a request has to come promptly, for the next regular one is a minute away."""
    for _ in range(500):
        if await sync_to_async(happens)():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not happen")


def powers() -> list[float]:
    return list(Reading.objects.order_by("time").values_list("power_w", flat=True))


def last_seen() -> float:
    """When the device was last heard, as Redis knows it."""
    with redis.Redis.from_url(configured.REDIS_URL) as store:
        return float(store.zscore(SEEN, Device.objects.get().pk) or 0.0)


def is_online() -> bool:
    return Device.objects.get().is_online


async def connected(port: int, prefix: str = PREFIX, *, answers: bool = False) -> Shelly:
    shelly = await asyncio.to_thread(Shelly, port, prefix, answers=answers)
    await until(shelly.is_listening)
    return shelly


async def test_a_late_last_will_is_asked_about_and_the_answer_is_stored(
    ingest: mqtt.MqttIngester, broker: int, clock: Clock
) -> None:
    old, new = await connected(broker), await connected(broker, answers=True)
    await asyncio.to_thread(old.say, 60.0)
    await asyncio.to_thread(old.die)
    await until(lambda: new.requests)
    assert new.requests[0]["method"] == "Shelly.GetStatus"
    await until(lambda: powers() == [60.0, 250.0])
    clock.forward(70)
    later = clock.time()
    await until(lambda: last_seen() > later)
    clock.forward(40)
    await ingest.sweep()
    assert await sync_to_async(is_online)()
    await asyncio.to_thread(new.leave)


async def test_who_does_not_answer_is_offline_after_90_seconds(ingest: mqtt.MqttIngester, broker: int, clock: Clock) -> None:
    old, new = await connected(broker), await connected(broker)
    await asyncio.to_thread(old.say, 60.0)
    await asyncio.to_thread(old.die)
    await until(lambda: new.requests)
    clock.forward(70)
    await until(lambda: len(new.requests) == 2)
    clock.forward(15)
    await ingest.sweep()
    assert await sync_to_async(is_online)()
    clock.forward(5)
    await until(lambda: not is_online())
    await asyncio.to_thread(new.leave)


async def test_who_tells_changes_alone_is_asked_for_the_whole_at_once_and_once_a_minute(
    ingest: mqtt.MqttIngester, broker: int, clock: Clock
) -> None:
    """As a device that was connected before ingest first came."""
    mute = await connected(broker)
    total_wh = itertools.count(TOTAL_WH)
    for _ in range(3):
        await asyncio.to_thread(mute.change, aenergy={"total": next(total_wh)})
        await until(lambda: mute.requests)
    assert [one["method"] for one in mute.requests] == ["Shelly.GetStatus"]
    await asyncio.to_thread(mute.leave)
    clock.forward(61)
    other = await connected(broker, answers=True)
    await asyncio.to_thread(other.change, output=True)
    await until(lambda: powers() == [250.0])
    clock.forward(61)
    await asyncio.to_thread(other.change, voltage=126.0)
    await until(lambda: powers() == [250.0, 250.0])
    assert len(other.requests) == 1  # all is known
    await asyncio.to_thread(other.leave)


async def test_a_device_of_another_model_than_was_said_here_is_asked_where_it_listens(
    ingest: mqtt.MqttIngester, broker: int, meter: Device
) -> None:
    assert meter.mqtt_prefix != PRO
    old, new = await connected(broker, PRO), await connected(broker, PRO)
    await asyncio.to_thread(old.say, 60.0)
    await asyncio.to_thread(old.die)
    await until(lambda: new.requests)
    await asyncio.to_thread(new.leave)
