"""Devices' own sockets, end to end: simulated Shellys on real web processes, PostgreSQL and Redis, and no broker."""

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from accounts.models import Home, User
from common.testing import await_true, free_port
from conftest import access_token
from devices.models import Command, Device
from devices.ownership.keys import digest_of
from devices.services import device_key_rotate, device_retire
from devices.simulator.clock import Clock
from devices.simulator.connections.running import RunningDevice, Timing
from devices.simulator.connections.websocket import WebSocketConnection
from devices.simulator.shelly.device import Device as Shelly
from devices.sockets.device_sockets import device_sockets
from devices.tests.simulator.online import QUICK
from devices.tests.simulator.shelly.devices_to_test import device as simulated
from telemetry.ingest import socket_frames as socket_frames_module
from telemetry.ingest.socket_frames import MOST_WAITING_OF_DEVICE, socket_frames
from telemetry.ingest.websocket import device_endpoint
from telemetry.ingest.writer_connection import database_conninfo
from telemetry.models import Reading
from telemetry.tests.conftest import close_ingest
from telemetry.tests.processes import Process, web_process

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "una-clave-de-dispositivo"


@pytest.fixture(autouse=True)
async def _close_connections() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


class Web:
    """A web process without a broker."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.process: Process = web_process(log, self.port, MQTT_BROKER_HOST="")
        await_true("the web process listens", lambda: self.process.said("Listening on TCP"))

    def url(self, key: str = KEY) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/shelly?token={key}"

    async def post(self, token: object, path: str, body: object = None) -> httpx.Response:
        async with httpx.AsyncClient(timeout=30) as client:
            headers = {"Authorization": f"Bearer {token}"}
            return await client.post(f"http://127.0.0.1:{self.port}/api/v1/{path}", json=body, headers=headers)

    async def get(self, token: object, path: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=30) as client:
            return await client.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def webs(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two web processes that the tests of the module share."""
    logs = tmp_path_factory.mktemp("webs")
    started: list[Web] = []
    try:
        started += [Web(logs / "one.log"), Web(logs / "other.log")]
        yield started
        said = "".join(web.process.log.read_text() for web in started)
        assert KEY not in said
        assert "Traceback" not in said, said
    finally:
        for web in started:
            web.process.discard()


@pytest.fixture
def web(transactional_db: None, webs: list[Web]) -> Web:
    return webs[0]


@pytest.fixture
def other(transactional_db: None, webs: list[Web]) -> Web:
    return webs[1]


@pytest.fixture
def meter(meter: Device) -> Device:
    """A meter with a MAC of its own: the web processes remember whose device has one."""
    meter.hardware_id, meter.key_digest = f"02{secrets.token_hex(5)}", digest_of(KEY)
    meter.save()
    return meter


@pytest.fixture
def token(owner: User) -> object:
    return access_token(owner)


@contextlib.asynccontextmanager
async def shelly(meter: Device, url: str, *, timing: Timing = QUICK, is_awaited: bool = True) -> AsyncIterator[Shelly]:
    """The home's meter, with a socket of its own."""
    one = simulated(mac=meter.hardware_id, now=time.time(), websocket={"enable": True, "server": url})
    running = RunningDevice(one, Clock(), timing=timing)
    connection = WebSocketConnection(running)
    task = asyncio.create_task(running.run())
    try:
        if is_awaited:
            await true("it is connected", connection.is_done)
        yield one
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def frame(meter: Device, power: float, method: str = "NotifyFullStatus", *, source: str = "", at: float = 0.0) -> str:
    fields = {"id": 0, "output": True, "apower": power, "voltage": 127.0, "current": 0.5, "aenergy": {"total": 100.0}}
    params = {"ts": round(at or time.time(), 2), "switch:0": fields}
    return orjson.dumps(
        {"src": source or f"shellyplus1pm-{meter.hardware_id}", "dst": "ws", "method": method, "params": params}
    ).decode()


async def true(what: str, condition: Callable[[], object]) -> None:
    await sync_to_async(await_true)(what, condition)


async def close_code(socket: ClientConnection) -> int:
    async with asyncio.timeout(20):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code


async def test_what_a_device_says_is_stored_and_is_on_the_live_socket(web: Web, other: Web, meter: Device, token: object) -> None:
    async with connect(f"ws://127.0.0.1:{other.port}/ws/live/{meter.pk}?token={token}", close_timeout=1) as live:
        async with connect(web.url(), subprotocols=[Subprotocol("json-rpc")], close_timeout=1) as socket:
            assert socket.subprotocol == "json-rpc"
            began = int(time.time()) - 10
            await socket.send(frame(meter, 60.0, at=began))
            await socket.send(frame(meter, 61.0, at=began + 1))
            change = {"src": f"shellyplus1pm-{meter.hardware_id}", "method": "NotifyStatus"}
            await socket.send(orjson.dumps(change | {"params": {"ts": began + 3.0, "switch:0": {"id": 0, "apower": 90.5}}}))
            seen = [orjson.loads(await asyncio.wait_for(live.recv(), 20))["watts"] for _ in range(3)]
            assert seen == [60.0, 61.0, 90.5]
            rows = [(one.power_w, one.voltage_v, one.energy_wh) async for one in Reading.objects.order_by("time")]
            assert rows == [(60.0, 127.0, 100.0), (61.0, 127.0, 100.0), (90.5, 127.0, None)]
            await true("it is online", lambda: Device.objects.get(pk=meter.pk).is_online)
            assert (await Device.objects.aget(pk=meter.pk)).key_used_at is not None


@pytest.mark.parametrize("asked", [0, 1], ids=["of its own process", "of another process"])
async def test_a_relay_is_switched_and_shown_whichever_process_is_asked(
    webs: list[Web], web: Web, meter: Device, token: object, asked: int
) -> None:
    async with shelly(meter, web.url()) as one:
        answer = await webs[asked].post(token, f"control/{meter.pk}/toggle")
        assert (answer.status_code, answer.json()["was_on"], one.relays[0].is_on) == (200, True, False)
        answer = await webs[asked].post(token, f"control/{meter.pk}/on")
        assert (answer.status_code, one.relays[0].is_on) == (200, True)
        found = await webs[asked].get(token, f"control/{meter.pk}/status")
        assert (found.status_code, found.json()["status"]["output"]) == (200, True)

        refused = await webs[asked].post(token, f"control/{meter.pk}/on", {"channel": 3})
        assert (refused.status_code, refused.json()) == (503, {"detail": "El dispositivo no tiene ese canal."})


async def test_a_device_without_a_socket_is_told_at_once(web: Web, other: Web, meter: Device, token: object) -> None:
    began = time.monotonic()
    for one in (web, other):
        assert (await one.post(token, f"control/{meter.pk}/off")).status_code == 503
    async with shelly(meter, web.url()):
        assert (await other.post(token, f"control/{meter.pk}/off")).status_code == 200
    assert (await other.post(token, f"control/{meter.pk}/off")).status_code == 503
    assert time.monotonic() - began < 60


async def test_when_a_device_comes_a_kept_command_is_sent_and_it_is_asked_what_it_is(
    web: Web, meter: Device, token: object
) -> None:
    kept = await web.post(token, f"control/{meter.pk}/off", {"keep_for": 3600})
    assert kept.status_code == 202
    async with shelly(meter, web.url()) as one:
        await true("it is done", lambda: Command.objects.get().state == Command.State.DONE)
        assert not one.relays[0].is_on
        await true("it has said what it is", lambda: Device.objects.get(pk=meter.pk).firmware)


async def test_a_newer_socket_takes_the_place_of_an_older_one(web: Web, other: Web, meter: Device, token: object) -> None:
    async with connect(web.url(), close_timeout=1) as first, connect(web.url(), close_timeout=1) as second:
        assert await close_code(first) == 4409
        async with shelly(meter, other.url()) as one:
            assert await close_code(second) == 4409
            assert (await web.post(token, f"control/{meter.pk}/off")).status_code == 200
            assert not one.relays[0].is_on


async def test_who_brings_no_key_of_an_active_device_is_refused(web: Web, meter: Device) -> None:
    async def refused(key: str) -> int:
        with pytest.raises(InvalidStatus) as raised:
            await connect(web.url(key))
        return raised.value.response.status_code

    assert [await refused(key) for key in ("", "otra", "x" * 5000, "%00%ff")] == [403] * 4
    await Device.objects.filter(pk=meter.pk).aupdate(is_active=False)
    assert await refused(KEY) == 403


def rotate(meter: Device) -> None:
    device_key_rotate(device=meter)


def deactivate(meter: Device) -> None:
    meter.is_active = False
    meter.save()


def delete(meter: Device) -> None:
    device_retire(device=meter)


@pytest.mark.parametrize("act", [rotate, deactivate, delete])
async def test_a_socket_is_closed_as_soon_as_its_key_opens_it_no_more(
    web: Web, meter: Device, act: Callable[[Device], None]
) -> None:
    async with connect(web.url(), close_timeout=1) as socket:
        meter.name = "Otro nombre"
        await meter.asave()
        await socket.send(frame(meter, 60.0))
        await true("it is stored", Reading.objects.exists)
        await sync_to_async(act)(meter)
        assert await close_code(socket) == 4401


async def test_a_frame_of_another_device_closes_the_socket_and_is_not_stored(web: Web, meter: Device) -> None:
    async with connect(web.url(), close_timeout=1) as socket:
        await socket.send(frame(meter, 60.0, source="shellyplus1pm-02ffffffffff"))
        assert await close_code(socket) == 4403
    assert not await Reading.objects.aexists()


async def test_rubbish_costs_nothing_else_and_what_is_huge_or_too_much_the_socket(web: Web, meter: Device) -> None:
    async with connect(web.url(), close_timeout=1) as socket:
        for rubbish in ("no json", b"\x00\xff", "[]", "{}", '{"src": 5}', '{"src": "x"}', "{" * 10_000, ""):
            await socket.send(rubbish)
        source = f"shellyplus1pm-{meter.hardware_id}"
        odd: list[object] = [
            {"id": [1], "result": None},
            {"method": "NotifyStatus", "params": {"switch:0": 5, "switch:x": {}}},
            {"id": 3},
        ]
        for more in odd:
            assert isinstance(more, dict)
            await socket.send(orjson.dumps({"src": source} | more))
        await socket.send(frame(meter, 60.0))
        await true("it is stored", lambda: Reading.objects.count() == 1)
        await socket.send(frame(meter, 60.0) + " " * 20_000)
        assert await close_code(socket) == 1009
    async with connect(web.url(), close_timeout=1) as socket:
        for _ in range(700):
            await socket.send(orjson.dumps({"src": source, "method": "NotifyEvent", "params": {"events": []}}))
        assert await close_code(socket) in {4429, 1013}


async def test_a_web_process_that_is_told_to_stop_sends_its_devices_to_the_next(
    tmp_path: Path, other: Web, meter: Device, token: object
) -> None:
    stopping = await sync_to_async(Web)(tmp_path / "stopping.log")
    try:
        async with connect(stopping.url(), close_timeout=1) as socket:
            await socket.send(frame(meter, 60.0, at=time.time() - 9))
            await true("it is stored", Reading.objects.exists)
            await socket.send(frame(meter, 61.0))
            ending = asyncio.create_task(asyncio.to_thread(stopping.process.end))
            assert await close_code(socket) == 1001
            assert await ending == 0
        assert await Reading.objects.acount() == 2
        async with shelly(meter, other.url()) as one:
            assert (await other.post(token, f"control/{meter.pk}/off")).status_code == 200
            assert not one.relays[0].is_on
    finally:
        stopping.process.discard()


async def test_a_process_that_died_is_no_holder_any_more(tmp_path: Path, other: Web, meter: Device, token: object) -> None:
    dying = await sync_to_async(Web)(tmp_path / "dying.log")
    try:
        async with connect(dying.url(), close_timeout=1) as socket:
            await asyncio.to_thread(dying.process.end, signal.SIGKILL)
            began = time.monotonic()
            answer = await other.post(token, f"control/{meter.pk}/off")
            assert (answer.status_code, answer.json()) == (503, {"detail": "MQTT Backend desconectado"})
            assert time.monotonic() - began < 4.0
            await socket.wait_closed()
    finally:
        dying.process.discard()


async def test_while_the_database_is_away_messages_wait_and_who_has_too_many_is_sent_away(web: Web, meter: Device) -> None:
    began = time.time() - 300
    async with connect(web.url(), close_timeout=1) as socket:
        await socket.send(frame(meter, 60.0, at=began))
        await true("it is stored", Reading.objects.exists)
        async with await psycopg.AsyncConnection.connect(database_conninfo()) as database:
            await database.execute("LOCK TABLE telemetry_reading")
            for number in range(1, 2 * MOST_WAITING_OF_DEVICE):
                await socket.send(frame(meter, 60.0, at=began + number))
            assert await close_code(socket) == 1013
        await true("what waited is stored", lambda: Reading.objects.count() > MOST_WAITING_OF_DEVICE)


async def test_a_device_that_reads_nothing_delays_nobody(web: Web, meter: Device, token: object, home: Home) -> None:
    neighbour = await Device.objects.acreate(
        home=home, hardware_id=f"02{secrets.token_hex(5)}", name="Sala", key_digest=digest_of("b")
    )
    async with connect(web.url(), close_timeout=1, max_queue=1) as deaf:
        deaf.transport.pause_reading()
        asked = [asyncio.create_task(web.post(token, f"control/{meter.pk}/off", {"channel": channel})) for channel in range(8)]
        async with shelly(neighbour, web.url("b")) as one:
            assert (await web.post(token, f"control/{neighbour.pk}/off")).status_code == 200
            assert not one.relays[0].is_on
            assert {(await task).status_code for task in asked} == {503}
        deaf.transport.resume_reading()


async def test_a_silent_device_is_asked_for_its_status(monkeypatch: pytest.MonkeyPatch, meter: Device) -> None:
    monkeypatch.setattr(socket_frames_module, "ASK_AFTER_S", 0.1)
    monkeypatch.setattr(socket_frames_module, "LOOK_EVERY_S", 0.05)
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"query_string": f"token={KEY}".encode(), "subprotocols": [], "headers": [], "client": ["203.0.113.7", 1]}
    said.put_nowait({"type": "websocket.connect"})
    serving = asyncio.create_task(device_endpoint(scope, said.get, heard.put))
    async with asyncio.timeout(30):
        assert (await heard.get())["type"] == "websocket.accept"
        request = orjson.loads((await heard.get())["text"])
        assert request["method"] == "Shelly.GetStatus"
        switch = {"id": 0, "output": True, "apower": 70.0, "voltage": 127.0, "current": 0.5, "aenergy": {"total": 5.0}}
        result = {"sys": {"mac": meter.hardware_id.upper(), "unixtime": int(time.time())}, "switch:0": switch}
        source = f"shellyplus1pm-{meter.hardware_id}"
        said.put_nowait(
            {"type": "websocket.receive", "text": orjson.dumps({"id": request["id"], "src": source, "result": result}).decode()}
        )
        await true("it is stored", lambda: Reading.objects.filter(power_w=70.0).exists())
        said.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await serving
    await socket_frames().close()
    await device_sockets().close()
    await close_ingest()


async def test_a_device_that_comes_while_the_database_is_away_is_sent_away_to_come_again(web: Web, meter: Device) -> None:
    async with await psycopg.AsyncConnection.connect(database_conninfo(), autocommit=True) as admin:
        await admin.execute("ALTER TABLE devices_device RENAME TO devices_device_gone")
        try:
            async with connect(web.url(), close_timeout=1) as socket:
                assert await close_code(socket) == 1013
        finally:
            await admin.execute("ALTER TABLE devices_device_gone RENAME TO devices_device")
    async with connect(web.url(), close_timeout=1) as socket:
        await socket.send(frame(meter, 60.0))
        await true("it is stored", Reading.objects.exists)
