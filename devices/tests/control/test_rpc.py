"""Requests to devices and their answers, as a hostile or a late device gives them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from django.conf import settings
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.control import rpc as rpc_module
from devices.control.exceptions import DeviceRefused, DeviceSilent
from devices.control.rpc import DeviceRpc, Listener

MAC = f"02{secrets.token_hex(5)}"  # the broker is one for all workers that run tests
DEVICE = Listener(MAC, f"shellyplus1pm-{MAC}")
ITS_OWN = f"ecowatt/backend/rpc_response/{DEVICE.prefix}"


class Answerer:
    """Answers each request to the device with frames on topics, as they are given."""

    def __init__(self, *answers: tuple[str, dict[str, Any]], listens: str = f"{DEVICE.prefix}/rpc") -> None:
        self._answers = answers
        self.requests: list[dict[str, Any]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._answer
        subscribed = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()

        def note(*_: Any) -> None:
            loop.call_soon_threadsafe(subscribed.set_result, None)

        self._client.on_subscribe = note
        self._client.on_connect = lambda client, *_: client.subscribe(listens, 1)
        self._client.connect(settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT)
        self._client.loop_start()
        self.subscribed = subscribed

    def _answer(self, client: Client, data: Any, message: Any) -> None:
        request = orjson.loads(message.payload)
        self.requests.append(request)
        for topic, frame in self._answers:
            self.say(topic, {"id": request["id"], "dst": request["src"]} | frame)

    def say(self, topic: str, frame: object) -> None:
        self._client.publish(topic, frame if isinstance(frame, bytes) else orjson.dumps(frame), 1)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
async def rpc(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DeviceRpc]:
    monkeypatch.setattr(rpc_module, "ANSWER_S", 3.0)
    one = DeviceRpc()
    yield one
    await one.close()


async def answered(rpc: DeviceRpc, *answers: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    device = Answerer(*answers)
    try:
        await asyncio.wait_for(device.subscribed, 60)
        return await rpc.call(DEVICE, "Switch.Set", {"id": 0, "on": True})
    finally:
        device.stop()


@pytest.mark.parametrize("topic", [ITS_OWN, f"{ITS_OWN}/rpc"], ids=["bare", "with rpc"])
async def test_both_forms_of_the_reply_topic_are_heard(rpc: DeviceRpc, topic: str) -> None:
    assert await answered(rpc, (topic, {"src": DEVICE.prefix, "result": {"was_on": False}})) == {"was_on": False}


async def test_an_answer_of_another_device_is_none(rpc: DeviceRpc) -> None:
    others = "ecowatt/backend/rpc_response/shellyplus1pm-02aabbccddee/rpc"
    forged = {"src": "shellyplus1pm-02aabbccddee", "result": {"was_on": True}}
    wrong_topic = {"src": DEVICE.prefix, "result": {"was_on": True}}
    no_frames: list[dict[str, Any]] = [{"src": DEVICE.prefix}, {"src": DEVICE.prefix, "id": [1], "result": {}}]
    with pytest.raises(DeviceSilent):
        await answered(rpc, (f"{ITS_OWN}/rpc", forged), (others, wrong_topic), *((ITS_OWN, one) for one in no_frames))
    true = {"src": DEVICE.prefix.upper(), "result": {"was_on": False}}
    assert await answered(rpc, (f"{ITS_OWN}/rpc", forged), (f"{ITS_OWN}/rpc", true)) == {"was_on": False}


async def test_a_late_answer_and_noise_disturb_nobody(rpc: DeviceRpc) -> None:
    with pytest.raises(DeviceSilent):
        await answered(rpc)
    late = Answerer()
    await asyncio.wait_for(late.subscribed, 60)
    frames: tuple[object, ...] = (b"{", [], None, {"id": 7, "src": None, "result": {}}, {"id": 1, "src": DEVICE.prefix})
    for frame in frames:
        late.say(f"{ITS_OWN}/rpc", frame)
    late.stop()
    assert await answered(rpc, (f"{ITS_OWN}/rpc", {"src": DEVICE.prefix, "result": None})) == {}


@pytest.mark.parametrize("error", [{"code": -105, "message": "Argument id, value 5 not found!"}, {"code": 12345}, "broken", None])
async def test_an_error_of_the_device_has_a_sentence_without_its_words(rpc: DeviceRpc, error: Any) -> None:
    with pytest.raises(DeviceRefused) as raised:
        await answered(rpc, (f"{ITS_OWN}/rpc", {"src": DEVICE.prefix, "error": error}))
    assert str(raised.value) in {"El dispositivo no tiene ese canal.", "El dispositivo no pudo cumplir la orden."}


async def test_a_prefix_with_slashes_is_answered_on_a_topic_of_the_mac() -> None:
    assert Listener(MAC, "casa/cocina").reply_topic == f"ecowatt/backend/rpc_response/{MAC}"


class Crowd(Answerer):
    """A hundred devices, of which one is silent."""

    def _answer(self, client: Client, data: Any, message: Any) -> None:
        prefix = message.topic.removesuffix("/rpc")
        if not prefix.startswith(f"shellyplus1pm-{MAC[:8]}"):
            return
        request = orjson.loads(message.payload)
        if not prefix.endswith("0042"):
            self.say(f"{request['src']}/rpc", {"id": request["id"], "src": prefix, "result": {"was_on": prefix.endswith("1")}})


async def test_of_a_hundred_requests_at_once_only_that_to_the_silent_device_waits(rpc: DeviceRpc) -> None:
    macs = [f"{MAC[:8]}{number:04}" for number in range(100)]
    crowd = Crowd(listens="+/rpc")
    try:
        await asyncio.wait_for(crowd.subscribed, 60)
        calls = {
            mac: asyncio.create_task(rpc.call(Listener(mac, f"shellyplus1pm-{mac}"), "Switch.Toggle", {"id": 0})) for mac in macs
        }
        ended = [task async for task in in_order(calls)]
    finally:
        crowd.stop()
    assert ended[-1] == f"{MAC[:8]}0042"
    assert {mac: task.result() for mac, task in calls.items() if mac != ended[-1]} == {
        mac: {"was_on": mac.endswith("1")} for mac in macs if mac != ended[-1]
    }


async def in_order(calls: dict[str, "asyncio.Task[Any]"]) -> AsyncIterator[str]:
    """The names of the calls as they end."""
    pending = set(calls.values())
    names = {task: name for name, task in calls.items()}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            yield names[task]
            assert task.exception() is None or isinstance(task.exception(), DeviceSilent)
