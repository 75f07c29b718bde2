"""A simulated device's outbound WebSocket, against a real server."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from common.testing import await_true
from devices.simulator.clock import Clock
from devices.simulator.connections.running import RunningDevice
from devices.simulator.connections.websocket import SUBPROTOCOL, WebSocketConnection
from devices.simulator.shelly.device import Device
from devices.tests.simulator.online import QUICK
from devices.tests.simulator.shelly.devices_to_test import device


class Sockets:
    """A server that takes devices' sockets, unless it refuses, and keeps what they say."""

    def __init__(self) -> None:
        self.refuses = False
        self.came: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.server: Server

    async def serve(self, socket: ServerConnection) -> None:
        await self.came.put(socket)
        async for text in socket:
            assert isinstance(text, str)
            await self.said.put(json.loads(text))

    def judge(self, socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(HTTPStatus.FORBIDDEN, "no") if self.refuses else None

    async def next(self, key: str, value: object = None) -> dict[str, Any]:
        """The next frame that has the key (with the value); others are passed over."""
        async with asyncio.timeout(10):
            while True:
                frame = await self.said.get()
                if key in frame and value in (None, frame[key]):
                    return frame

    async def socket(self) -> ServerConnection:
        async with asyncio.timeout(10):
            return await self.came.get()

    @property
    def url(self) -> str:
        host, port = next(iter(self.server.sockets)).getsockname()[:2]
        return f"ws://{host}:{port}/ws/shelly?token=its-own"


@pytest.fixture
async def sockets() -> AsyncIterator[Sockets]:
    found = Sockets()
    async with serve(
        found.serve, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], process_request=found.judge, close_timeout=1
    ) as found.server:
        yield found


@contextlib.asynccontextmanager
async def online(sockets: Sockets, reasons: list[str] | None = None, model: str = "shellyplus1pm") -> AsyncIterator[Device]:
    one = device(model, now=time.time(), websocket={"enable": True, "server": sockets.url})
    running = RunningDevice(one, Clock(), timing=QUICK)
    WebSocketConnection(running, on_change=(reasons if reasons is not None else []).append)
    task = asyncio.create_task(running.run())
    try:
        yield one
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_offers_the_protocol_and_says_all_of_itself_first(sockets: Sockets) -> None:
    async with online(sockets, model="shelly2pmg3") as one:
        socket = await sockets.socket()
        assert socket.subprotocol == "json-rpc"
        assert socket.request
        assert socket.request.path == "/ws/shelly?token=its-own"
        first = await sockets.next("method")
        assert (first["src"], first["dst"], first["method"]) == (one.id, "ws", "NotifyFullStatus")
        assert first["params"]["ws"] == {"connected": True}
        assert {"switch:0", "switch:1", "sys"} <= first["params"].keys()


async def test_it_is_asked_on_its_socket_and_notifies_there(sockets: Sockets) -> None:
    async with online(sockets) as one:
        socket = await sockets.socket()
        await socket.send("not json")
        await socket.send(b"\x00")
        await socket.send(json.dumps({"id": 5, "method": "Switch.Set", "params": {"id": 0, "on": True}}))
        await socket.send(json.dumps({"id": 6, "src": "ecowatt", "method": "Switch.Set", "params": {"id": 0, "on": False}}))
        answer = await sockets.next("id")
        assert answer == {"id": 6, "src": one.id, "dst": "ecowatt", "result": {"was_on": True}}
        change = await sockets.next("method", "NotifyStatus")
        assert change["params"]["switch:0"] == {"id": 0, "source": "WS_out", "output": False}
        await socket.send(json.dumps({"id": 7, "src": "ecowatt", "method": "Foo.Bar"}))
        assert (await sockets.next("id"))["error"]["code"] == 404


async def test_it_comes_back_after_a_loss_and_after_its_own_restart(sockets: Sockets) -> None:
    reasons: list[str] = []
    async with online(sockets, reasons) as one:
        first = await sockets.socket()
        await sockets.next("method", "NotifyFullStatus")
        await first.close()
        second = await sockets.socket()
        await sockets.next("method", "NotifyFullStatus")
        assert reasons == ["", "the connection is lost", ""]
        await second.send(json.dumps({"id": 1, "src": "ecowatt", "method": "Shelly.Reboot", "params": {"delay_ms": 500}}))
        assert (await sockets.next("id"))["result"] is None
        await sockets.socket()
        full = await sockets.next("method", "NotifyFullStatus")
        assert full["params"]["sys"]["uptime"] < 10
        assert one.boots == 2


async def test_a_refusal_is_reported_and_it_tries_again(sockets: Sockets) -> None:
    reasons: list[str] = []
    sockets.refuses = True
    async with online(sockets, reasons):
        await asyncio.to_thread(await_true, "it is refused", lambda: reasons)
        assert "HTTP 403" in reasons[0]
        assert "its-own" not in reasons[0]
        sockets.refuses = False
        await sockets.socket()
        await sockets.next("method", "NotifyFullStatus")


async def test_an_address_that_is_none_ends_nothing_and_is_not_shown(sockets: Sockets) -> None:
    reasons: list[str] = []
    one = device(now=time.time(), websocket={"enable": True, "server": "http://127.0.0.1/?token=its-own"})
    running = RunningDevice(one, Clock(), timing=QUICK)
    WebSocketConnection(running, on_change=reasons.append)
    task = asyncio.create_task(running.run())
    await asyncio.to_thread(await_true, "it has tried again", lambda: len(reasons) > 1 or task.done())
    assert not task.done()
    task.cancel()
    assert "its-own" not in "".join(reasons)


async def test_a_silent_device_keeps_its_socket_and_says_nothing(sockets: Sockets) -> None:
    async with online(sockets) as one:
        socket = await sockets.socket()
        await sockets.next("method", "NotifyFullStatus")
        one.faults.is_silent = True
        await socket.send(json.dumps({"id": 1, "src": "ecowatt", "method": "Switch.Set", "params": {"id": 0, "on": False}}))
        await asyncio.to_thread(await_true, "it is off", lambda: not one.relays[0].is_on)
        one.faults.is_silent = False
        await socket.send(json.dumps({"id": 2, "src": "ecowatt", "method": "Switch.GetStatus", "params": {"id": 0}}))
        answer = await sockets.next("id")
        assert (answer["id"], answer["result"]["output"]) == (2, False)
