"""Sockets of several processes, each with its own DeviceSockets, on a real Redis. The devices' ends are in this process."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import connections

from accounts.models import Home
from devices.control import rpc as rpc_module
from devices.control.exceptions import BrokerAway, DeviceRefused, DeviceSilent
from devices.control.mqtt_rpc import Listener
from devices.control.rpc import DeviceRpc
from devices.models import Device
from devices.sockets import device_sockets as device_sockets_module
from devices.sockets import remote_requests
from devices.sockets.device_socket import MOST_REQUESTS, CloseCode, DeviceSocket, SocketGone
from devices.sockets.device_sockets import DeviceSockets
from devices.sockets.holders import HOLDER_OF

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_soon", "_registered")]
MAC = f"02{secrets.token_hex(5)}"


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_sockets_module, "RENEW_S", 0.0)
    monkeypatch.setattr(device_sockets_module, "POLL_S", 0.05)


@pytest.fixture
def _registered(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Device.objects.create(home=home, hardware_id=MAC, name="Cocina", key_digest=b"digest")
    monkeypatch.setattr(Shelly, "device_id", meter.pk)


@pytest.fixture
async def one() -> AsyncIterator[DeviceSockets]:
    sockets = DeviceSockets()
    yield sockets
    await sockets.close()
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def other() -> AsyncIterator[DeviceSockets]:
    sockets = DeviceSockets()
    yield sockets
    await sockets.close()
    await sync_to_async(connections.close_all)()


class Shelly:
    """A device's end of a socket, which answers as it is told."""

    device_id = 0

    def __init__(self, sockets: DeviceSockets, answer: dict[str, Any] | None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._sockets, self._answer = sockets, answer
        self.socket = DeviceSocket(self.device_id, MAC, b"digest", self._asked)

    async def _asked(self, text: str) -> None:
        self.requests.append(orjson.loads(text))
        if self._answer is not None:
            self.say(id=self.requests[-1]["id"], **self._answer)

    def say(self, **frame: Any) -> None:
        self._sockets.hear(self.socket, {"src": f"shellyplus1pm-{MAC}"} | frame)


@contextlib.asynccontextmanager
async def held(sockets: DeviceSockets, answer: dict[str, Any] | None = None) -> AsyncIterator[Shelly]:
    shelly = Shelly(sockets, answer)
    async with sockets.hold(shelly.socket):
        yield shelly


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 – of another connection's doing
            await asyncio.sleep(0.01)


async def test_a_request_goes_to_the_process_that_holds_the_socket(one: DeviceSockets, other: DeviceSockets) -> None:
    async with held(one, {"result": {"was_on": True}}) as shelly:
        for sockets in (one, other):
            assert (await sockets.request(MAC, "Switch.Toggle", {"id": 0}))["result"] == {"was_on": True}
    assert [(each["src"], each["method"], each["params"]) for each in shelly.requests] == [
        ("ecowatt", "Switch.Toggle", {"id": 0})
    ] * 2
    for sockets in (one, other):
        with pytest.raises(SocketGone):
            await sockets.request(MAC, "Switch.Toggle", {"id": 0})


async def test_a_socket_that_ends_with_a_request_on_it_leaves_nobody_waiting(one: DeviceSockets, other: DeviceSockets) -> None:
    async with held(one) as shelly:
        waiting = [asyncio.create_task(sockets.request(MAC, "Switch.Toggle", {"id": 0})) for sockets in (one, other)]
        await until(lambda: len(shelly.requests) == 2)
    for task in waiting:
        with pytest.raises(DeviceSilent):
            await task


async def test_a_device_that_does_not_answer_is_silent_and_holds_few_requests(
    one: DeviceSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.sockets.device_socket.ANSWER_S", 0.5)
    async with held(one) as shelly:
        waiting = [asyncio.create_task(one.request(MAC, "Switch.Toggle", {"id": 0})) for _ in range(MOST_REQUESTS + 5)]
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in ended} == {DeviceSilent}
    assert len(shelly.requests) == MOST_REQUESTS


async def test_what_stands_of_a_process_that_died_is_found_out_at_once(
    one: DeviceSockets, other: DeviceSockets, own_redis: redis.Redis
) -> None:
    own_redis.set(HOLDER_OF + MAC, "nobody")
    with pytest.raises(SocketGone):
        await other.request(MAC, "Switch.Toggle", {"id": 0})


async def test_a_newer_socket_of_another_process_closes_the_older_one(one: DeviceSockets, other: DeviceSockets) -> None:
    async with held(one) as older, held(other, {"result": None}) as newer:
        assert await asyncio.wait_for(older.socket.closed, 20) == CloseCode.REPLACED
        await one.close()
        assert (await other.request(MAC, "Switch.Toggle", {"id": 0}))["result"] is None
        assert not newer.socket.closed.done()


async def test_an_older_socket_whose_notice_was_lost_is_closed_when_it_would_be_prolonged(
    one: DeviceSockets, own_redis: redis.Redis
) -> None:
    async with held(one) as older:
        own_redis.set(HOLDER_OF + MAC, "another")
        assert await asyncio.wait_for(older.socket.closed, 20) == CloseCode.REPLACED
    assert own_redis.get(HOLDER_OF + MAC) == b"another"


async def test_what_redis_forgot_is_written_again(one: DeviceSockets, other: DeviceSockets, own_redis: redis.Redis) -> None:
    async with held(one, {"result": {"was_on": True}}) as shelly:
        own_redis.flushdb()
        own_redis.client_kill_filter(_type="pubsub")
        async with asyncio.timeout(20):
            while not shelly.requests:
                await asyncio.sleep(0.01)
                with contextlib.suppress(SocketGone):
                    await other.request(MAC, "Switch.Toggle", {"id": 0})
        assert len(shelly.requests) == 1


async def test_changes_of_a_relay_are_told_to_who_watches_in_whichever_process(one: DeviceSockets, other: DeviceSockets) -> None:
    heard: list[Any] = []
    one.watch(MAC, lambda *change: heard.append(("one", *change)))
    other.watch(MAC, lambda *change: heard.append(("other", *change)))
    async with held(one) as shelly:
        output = False

        def told() -> bool:
            nonlocal output
            output = not output
            shelly.say(
                method="NotifyStatus", params={"ts": 1.0, "switch:1": {"id": 1, "output": output}, "sys": {}, "switch:x": 1}
            )
            return any(who == "other" for who, *_change in heard)

        await until(told)
        assert {change[:2] for change in heard} == {("one", 1), ("other", 1)}
        one.unwatch(MAC)
        other.unwatch(MAC)
        heard.clear()
        told()
        assert heard == []


async def test_without_a_broker_a_socket_is_the_way_to_a_device(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MQTT_BROKER_HOST = ""
    rpc, listener = DeviceRpc(), Listener(MAC, f"shellyplus1pm-{MAC}")
    sockets = device_sockets_module.device_sockets()
    try:
        with pytest.raises(BrokerAway):
            await rpc.call(listener, "Switch.Toggle", {"id": 0})
        async with held(sockets, {"result": {"was_on": True}}):
            assert await rpc.call(listener, "Switch.Toggle", {"id": 0}) == {"was_on": True}
        async with held(sockets, {"error": {"code": -105, "message": "no"}}):
            with pytest.raises(DeviceRefused):
                await rpc.call(listener, "Switch.Toggle", {"id": 5})
        monkeypatch.setattr(rpc_module, "ANSWER_S", 0.2)
        async with held(sockets):
            with pytest.raises(DeviceSilent):
                await rpc.call(listener, "Switch.Toggle", {"id": 0})
    finally:
        await rpc.close()


async def test_who_asks_another_process_waits_no_longer_than_anybody(
    one: DeviceSockets, other: DeviceSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_requests, "ANSWER_S", 0.3)
    async with held(one):
        with pytest.raises(DeviceSilent):
            await other.request(MAC, "Switch.Toggle", {"id": 0})


async def test_a_key_that_was_taken_away_without_a_notice_is_found_out(
    one: DeviceSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_sockets_module, "CHECK_S", 0.1)
    async with held(one) as shelly:
        await Device.objects.filter(hardware_id=MAC).aupdate(is_active=False)
        assert await asyncio.wait_for(shelly.socket.closed, 20) == CloseCode.KEY_REVOKED
