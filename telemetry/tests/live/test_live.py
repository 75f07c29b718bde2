"""The live socket: who may open it, what it says, how it ends. On a real Daphne, with real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction
from rest_framework_simplejwt.tokens import AccessToken
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from accounts.models import Home, Membership, Session, User
from accounts.security.authentication import UserAccessToken
from common.testing import await_true, free_port
from conftest import access_token
from devices.models import Device
from devices.services import device_retire, device_toggle
from telemetry.models import Reading, Series
from telemetry.tests.processes import web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _close_connections() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def meter(meter: Device) -> Device:
    """A meter with a MAC of its own: the web process, which these tests share, remembers whose device has one."""
    meter.hardware_id = f"a803{meter.pk:08x}"
    meter.save()
    return meter


async def login(user: User, **lifetime: float) -> UserAccessToken:
    return await sync_to_async(access_token)(user, **lifetime)


def socket_of(daphne: str, device_id: object, token: object) -> connect:
    return connect(f"ws://{daphne}/ws/live/{device_id}?token={token}", close_timeout=1)


async def heard(live: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = orjson.loads(await asyncio.wait_for(live.recv(), 10))
    return message


async def post(daphne: str, meter: Device, power: float, *more: dict[str, Any]) -> None:
    first = {"id": 0, "apower": power, "voltage": 127.5, "current": 1.25}
    body = {f"switch:{one['id']}": one for one in (first, *more)} | {"sys": {"mac": meter.hardware_id.upper()}}
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://{daphne}/api/v1/ingest/shelly", json=body)
    assert answer.status_code == 200


async def test_a_phone_sees_the_last_reading_and_then_each_new_one(daphne: str, owner: User, meter: Device) -> None:
    await post(daphne, meter, 80.0)
    async with socket_of(daphne, meter.pk, await login(owner)) as live:
        first = await heard(live)
        assert (first["watts"], first["volts"], first["amps"]) == (80.0, 127.5, 1.25)
        await live.send("whatever the client says is discarded")
        await post(daphne, meter, 1200.5)
        second = await heard(live)
    assert second["watts"] == 1200.5
    assert datetime.now(UTC) - datetime.fromisoformat(second["time"]) < timedelta(seconds=30)


@pytest.mark.parametrize("writer", ["daphne", "other_daphne"], ids=["same process", "another process"])
async def test_nothing_that_is_posted_after_the_handshake_is_lost(
    request: pytest.FixtureRequest, daphne: str, writer: str, owner: User, meter: Device
) -> None:
    there: str = request.getfixturevalue(writer)
    token = await login(owner)
    for power in range(10, 200, 10):
        await post(there, meter, power)  # so that each socket has a last reading of just now
        async with socket_of(daphne, meter.pk, token) as live:
            await asyncio.gather(post(there, meter, power + 1), post(there, meter, power + 2))
            seen = [(await heard(live))["watts"] for _ in range(3)]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(live.recv(), 0.05)
        assert (seen[0], sorted(seen[1:])) == (power, [power + 1, power + 2])


async def test_a_message_is_one_frame_with_sums_over_the_channels(daphne: str, owner: User, meter: Device) -> None:
    async with socket_of(daphne, meter.pk, await login(owner)) as live:
        await post(daphne, meter, 100.0, {"id": 1, "apower": 40.25, "voltage": 126.0, "current": 0.5})
        both = await heard(live)
        await post(daphne, meter, 60.0)
        one = await heard(live)
    assert (both["watts"], both["volts"], both["amps"]) == (140.25, 127.5, 1.75)
    assert [(each["channel"], each["watts"], each["volts"], each["amps"]) for each in both["channels"]] == [
        (0, 100.0, 127.5, 1.25),
        (1, 40.25, 126.0, 0.5),
    ]
    assert (one["watts"], one["amps"]) == (100.25, 1.75)
    assert one["time"] == one["channels"][0]["time"] > one["channels"][1]["time"] == both["time"]


async def test_a_member_may_watch_and_nobody_else(daphne: str, meter: Device, member: User, stranger: User) -> None:
    good, foreign, expired = await login(member), await login(stranger), await login(member, seconds=-1)
    without_session = await sync_to_async(AccessToken.for_user)(member)
    ended = await login(member)
    await sync_to_async(Session.objects.filter(pk=ended["sid"]).revoke)()
    async with socket_of(daphne, meter.pk, good):
        pass
    bad = [(meter.pk, token) for token in (foreign, "", "x.y.z", expired, without_session, ended)]
    for device_id, token in [*bad, (10**17, good), ("x", "y"), (10**30, good)]:
        with pytest.raises(InvalidStatus) as refused:
            await socket_of(daphne, device_id, token)
        assert refused.value.response.status_code == 403


async def test_a_socket_outlives_its_access_token(daphne: str, owner: User, meter: Device) -> None:
    async with socket_of(daphne, meter.pk, await login(owner, seconds=2)) as live:
        await asyncio.sleep(2.5)
        await post(daphne, meter, 80.0)
        assert (await heard(live))["watts"] == 80.0


def log_out(owner: User, meter: Device) -> None:
    owner.sessions.revoke()


def set_a_password(owner: User, meter: Device) -> None:
    owner.set_password("otra-clave-2")
    owner.save()


def deactivate_the_user(owner: User, meter: Device) -> None:
    owner.is_active = False
    owner.save()


def delete_the_session(owner: User, meter: Device) -> None:
    owner.sessions.all().delete()


def leave_the_home(owner: User, meter: Device) -> None:
    Membership.objects.filter(user=owner).delete()


def retire_the_device(owner: User, meter: Device) -> None:
    device_retire(device=meter)


def move_the_device(owner: User, meter: Device) -> None:
    meter.home = Home.objects.create(name="Otra casa")
    meter.save()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        *((act, 4401) for act in (log_out, set_a_password, deactivate_the_user, delete_the_session)),
        *((act, 1000) for act in (leave_the_home, retire_the_device, move_the_device)),
    ],
)
async def test_a_socket_is_closed_as_soon_as_what_it_rests_on_is_gone(
    daphne: str, owner: User, meter: Device, member: User, act: Callable[[User, Device], None], code: int
) -> None:
    async with socket_of(daphne, meter.pk, await login(owner)) as live, socket_of(daphne, meter.pk, await login(member)) as other:
        await sync_to_async(act)(owner, meter)
        assert await close_code(live) == code
        if act in {retire_the_device, move_the_device}:
            assert await close_code(other) == code
        else:
            await post(daphne, meter, 80.0)
            assert (await heard(other))["watts"] == 80.0


async def close_code(live: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        await heard(live)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_a_device_that_is_deactivated_keeps_its_sockets(daphne: str, owner: User, meter: Device) -> None:
    async with socket_of(daphne, meter.pk, await login(owner)) as live:
        await sync_to_async(device_toggle)(device=meter)
        await sync_to_async(device_toggle)(device=meter)
        await post(daphne, meter, 80.0)
        assert (await heard(live))["watts"] == 80.0


async def test_a_web_process_that_is_told_to_stop_sends_its_phones_to_the_next(
    tmp_path: Path, owner: User, meter: Device
) -> None:
    port = free_port()
    web = web_process(tmp_path / "web.log", port)
    try:
        await sync_to_async(await_true)("the web process listens", lambda: web.said("Listening on TCP"))
        async with socket_of(f"127.0.0.1:{port}", meter.pk, await login(owner)) as live:
            stopping = asyncio.create_task(asyncio.to_thread(web.end))
            assert await close_code(live) == 4503
            assert await stopping == 0
    finally:
        web.discard()


def test_a_web_process_stops_though_a_request_waits_for_the_database(tmp_path: Path, owner: User) -> None:
    port, token = free_port(), access_token(owner)
    web = web_process(tmp_path / "web.log", port)
    try:
        await_true("the web process listens", lambda: web.said("Listening on TCP"))
        with transaction.atomic(), ThreadPoolExecutor() as pool:
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE accounts_membership")
            headers = {"Authorization": f"Bearer {token}"}
            waiting = pool.submit(httpx.get, f"http://127.0.0.1:{port}/api/v1/users/me", headers=headers, timeout=60)
            await_true("a request waits", are_waiting)
            assert web.end() == 0
            with pytest.raises(httpx.RemoteProtocolError):
                waiting.result()
    finally:
        web.discard()


def are_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'accounts_membership'::regclass AND NOT granted)")
        return bool(cursor.fetchone()[0])


async def test_a_client_that_never_reads_is_dropped_and_the_others_get_every_frame(
    daphne: str, owner: User, meter: Device
) -> None:
    token = await login(owner)
    host, port = daphne.split(":")
    with contextlib.closing(socket.create_connection((host, int(port)))) as deaf:
        handshake = (
            f"GET /ws/live/{meter.pk}?token={token} HTTP/1.1\r\nHost: {daphne}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        deaf.sendall(handshake.encode())
        async with socket_of(daphne, meter.pk, token) as one, socket_of(daphne, meter.pk, token) as other:
            reading = asyncio.gather(heard_until(one, 200.0), heard_until(other, 200.0))
            powers = [float(power) for power in range(100, 120)]
            for power in powers:
                await post(daphne, meter, power)
            assert await asyncio.to_thread(ended, deaf)
            await post(daphne, meter, 200.0)
            for seen in await reading:
                assert seen == [*powers, 200.0]


async def heard_until(live: ClientConnection, last: float) -> list[float]:
    """Return the power of each frame up to the one that is awaited."""
    powers: list[float] = []
    while last not in powers:
        powers.append(orjson.loads(await asyncio.wait_for(live.recv(), 20))["watts"])
    return powers


def ended(connection: socket.socket) -> bool:
    """Read what is there without answering any ping, until the server hangs up."""
    connection.settimeout(20)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    ("ages", "sums"),
    [
        ([(1, 50, 5.0), (0, 90, 7.0), (0, 100, 6.0)], 12.0),  # young, for one channel is
        ([(1, 50, 5.0), (0, 700, 7.0)], 5.0),  # a channel that was there once
        ([(0, 70, 7.0)], None),
        ([], None),
    ],
)
async def test_the_first_frame_is_the_last_reading_if_it_is_young(
    daphne: str, owner: User, meter: Device, ages: list[tuple[int, int, float]], sums: float | None
) -> None:
    now = datetime.now(UTC)
    for channel, age, power in ages:
        at = now - timedelta(seconds=age)
        await sync_to_async(Reading.objects.create)(device_id=meter.pk, channel=channel, time=at, power_w=power)
        await sync_to_async(Series.objects.get_or_create)(device_id=meter.pk, channel=channel)
    async with socket_of(daphne, meter.pk, await login(owner)) as live:
        await post(daphne, meter, 1000.0)
        first = await heard(live)
    assert first["watts"] == (sums or 1000.0)
    assert (first["volts"], first["amps"]) == ((0.0, 0.0) if sums else (127.5, 1.25))


async def test_a_handshake_that_can_not_be_served_is_no_refusal(daphne: str, owner: User, meter: Device) -> None:
    await execute("ALTER TABLE telemetry_series RENAME TO telemetry_series_away")
    try:
        with pytest.raises(InvalidStatus) as failed:
            await socket_of(daphne, meter.pk, await login(owner))
    finally:
        await execute("ALTER TABLE telemetry_series_away RENAME TO telemetry_series")
    assert failed.value.response.status_code == 500


@sync_to_async
def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


async def test_one_user_does_not_hold_sockets_without_end(daphne: str, owner: User, meter: Device, member: User) -> None:
    mine, theirs = await login(owner), await login(member)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(20):
            last = await held.enter_async_context(socket_of(daphne, meter.pk, mine))
        with pytest.raises(InvalidStatus) as refused:
            await socket_of(daphne, meter.pk, mine)
        assert refused.value.response.status_code == 403
        await held.enter_async_context(socket_of(daphne, meter.pk, theirs))
        await last.close()
        await held.enter_async_context(socket_of(daphne, meter.pk, mine))
