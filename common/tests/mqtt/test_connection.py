"""A connection with a real Mosquitto, whether the fast packet reader is in use or paho alone."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt
import pytest
from paho.mqtt import publish as paho_publish
from structlog.testing import capture_logs

from common.mqtt.connection import Connection, Login, Message, Subscription, Will
from common.testing import free_port
from common.tests.mqtt import lesser_broker as lesser
from common.tests.mqtt.mosquitto import mosquitto, needed, self_signed

pytestmark = needed
TIMEOUT_S = 20
KEPT = {"session_expiry_s": 600}
TOPICS = Subscription("meter/+")


@pytest.fixture(params=["fast", "paho alone"], autouse=True)
def _reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of paho than the verified one is used alone."""
    if request.param == "paho alone":
        monkeypatch.setattr(paho.mqtt, "__version__", "2.0.0")


def connection_to(port: int, *subscriptions: Subscription, unsubscribe: tuple[str, ...] = (), **login: Any) -> Connection:
    return Connection(
        Login(**{"host": "127.0.0.1", "port": port, "client_id": "ours"} | login), subscriptions, unsubscribe=unsubscribe
    )


@contextlib.asynccontextmanager
async def running(connection: Connection, *, is_awaited: bool = True) -> AsyncIterator[Connection]:
    """Keep it connected; it is cut off without a word if it was not closed."""
    task = asyncio.create_task(connection.run())
    try:
        if is_awaited:
            await asyncio.wait_for(connection.wait_connected(), TIMEOUT_S)
        yield connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(port: int, *payloads: bytes, topic: str = "meter/1", qos: int = 1, **options: Any) -> None:
    """Publish one after the other, and wait until the broker has them."""
    messages = [{"topic": topic, "payload": payload, "qos": qos} | options for payload in payloads]
    await asyncio.to_thread(partial(paho_publish.multiple, messages, hostname="127.0.0.1", port=port))


async def taken(connection: Connection, count: int) -> list[Message]:
    """Take so many messages."""
    messages: list[Message] = []
    async with asyncio.timeout(TIMEOUT_S):
        while len(messages) < count:
            messages += await connection.take(count - len(messages))
    return messages


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 – what it asks has no event
            await asyncio.sleep(0.01)


def payloads(messages: list[Message]) -> list[bytes]:
    return [one.payload for one in messages]


async def test_messages_come_in_order_with_what_is_said_of_them() -> None:
    with mosquitto() as port:
        await send(port, b"kept", topic="meter/old", retain=True)
        async with running(connection_to(port, TOPICS, Subscription("all/#", qos=0, takes_retained=True))) as connection:
            await send(port, *(b"%d" % number for number in range(50)))
            await send(port, b"z" * 300_000, topic="all/a/b")
            got = await taken(connection, 51)
            assert payloads(got) == [*(b"%d" % number for number in range(50)), b"z" * 300_000]
            assert {(one.topic, one.qos, one.is_retained) for one in got} == {("meter/1", 1, False), ("all/a/b", 0, False)}
            connection.acknowledge(got)


async def test_what_is_not_acknowledged_comes_again_and_what_is_does_not() -> None:
    with mosquitto() as port:
        async with running(connection_to(port, TOPICS, **KEPT)) as connection:
            await send(port, b"1", b"2", b"3", b"4")
            got = await taken(connection, 3)
            connection.acknowledge(got[:2])
            await connection.close()
        await send(port, b"5")
        async with running(connection_to(port, TOPICS, **KEPT)) as connection:
            again = await taken(connection, 3)
            assert payloads(again) == [b"3", b"4", b"5"]
            connection.acknowledge(got)  # those of another connection are nobody's now
            connection.acknowledge(again)


async def test_a_clean_session_keeps_nothing() -> None:
    with mosquitto() as port:
        async with running(connection_to(port, TOPICS)) as connection:
            await send(port, b"1")
            await taken(connection, 1)
            await connection.close()
        await send(port, b"2")
        async with running(connection_to(port, TOPICS)) as connection:
            await send(port, b"3")
            assert payloads(await taken(connection, 1)) == [b"3"]


@pytest.mark.parametrize("up", [lesser.unchanged, lesser.without_mqtt_5], ids=["MQTT 5", "MQTT 3.1.1"])
async def test_a_session_that_is_ended_keeps_nothing(up: Any) -> None:
    with mosquitto() as real, lesser.before(real, up) as port:
        async with running(connection_to(port, TOPICS, **KEPT)) as connection:
            await connection.close(ends_session=True)
        await send(real, b"1")
        async with running(connection_to(port, TOPICS, **KEPT)) as connection:
            await send(real, b"2")
            assert payloads(await taken(connection, 1)) == [b"2"]


async def test_the_broker_waits_for_acknowledgements() -> None:
    with mosquitto() as port:
        async with running(connection_to(port, TOPICS, receive_maximum=5)) as connection:
            await send(port, *(b"%d" % number for number in range(12)))
            first = await taken(connection, 5)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.take(1), 0.3)
            connection.acknowledge(first)
            assert len(await taken(connection, 5)) == 5


async def test_without_a_window_of_the_broker_reading_pauses_and_goes_on() -> None:
    with mosquitto("max_inflight_messages 0") as real, lesser.before(real, lesser.without_mqtt_5) as port:
        async with running(connection_to(port, TOPICS, receive_maximum=10)) as connection:
            sent = [b"%d" % number for number in range(3_000)]
            await send(real, *sent)
            got: list[bytes] = []
            while len(got) < len(sent):
                some = await taken(connection, 1)
                connection.acknowledge(some)
                got += payloads(some)
            assert got == sent


async def test_too_many_messages_of_qos_0_are_dropped_and_counted() -> None:
    with mosquitto() as port:
        async with running(connection_to(port, TOPICS, receive_maximum=10)) as connection:
            await send(port, *(b"%d" % number for number in range(30)), qos=0)
            await until(lambda: connection.overflowed == 20)
            assert len(await connection.take(100)) == 10


async def test_what_is_published_reaches_others_and_without_a_connection_it_is_said() -> None:
    with mosquitto() as port:
        ours, other = connection_to(port), connection_to(port, Subscription("meter/1/rpc"), client_id="other")
        assert not ours.publish("meter/1/rpc", b"{}")
        async with running(other), running(ours):
            assert ours.publish("meter/1/rpc", b"{}")
            (got,) = await taken(other, 1)
            assert (got.topic, got.payload, got.qos) == ("meter/1/rpc", b"{}", 0)


async def test_a_last_will_is_published_when_the_connection_is_lost_and_not_when_it_is_closed() -> None:
    with mosquitto() as port:
        async with running(connection_to(port, Subscription("here/#"), client_id="other")) as other:
            will = Will("here/ours", b"lost", 1)
            async with running(connection_to(port, will=will)) as ours:
                await ours.close()
            async with running(connection_to(port, will=will._replace(payload=b"lost again"))):
                pass
            assert payloads(await taken(other, 1)) == [b"lost again"]


async def test_a_broker_that_comes_back_is_found_and_goes_on_with_the_session() -> None:
    port = free_port()
    with capture_logs() as logs:
        async with running(connection_to(port, TOPICS, **KEPT), is_awaited=False) as connection:
            await until(lambda: any("trying again" in entry["event"] for entry in logs))
            with mosquitto(f"listener {port} 127.0.0.1"):
                await asyncio.wait_for(connection.wait_connected(), TIMEOUT_S)
            await until(lambda: not connection.is_connected)
            with mosquitto(f"listener {port} 127.0.0.1"):
                await asyncio.wait_for(connection.wait_connected(), TIMEOUT_S)
                await send(port, b"1")
                assert payloads(await taken(connection, 1)) == [b"1"]


async def test_the_caller_may_refuse_to_connect_again() -> None:
    class Elsewhere(Exception): ...

    async def refuse() -> None:
        raise Elsewhere

    with mosquitto() as port:
        connection = connection_to(port, TOPICS)
        task = asyncio.create_task(connection.run(before_reconnect=refuse))
        await asyncio.wait_for(connection.wait_connected(), TIMEOUT_S)
    with pytest.raises(Elsewhere):
        await asyncio.wait_for(task, TIMEOUT_S)


async def test_closing_ends_run_though_no_broker_answers() -> None:
    connection = connection_to(free_port())
    with capture_logs() as logs:
        task = asyncio.create_task(connection.run())
        await until(lambda: logs)
        await connection.close()
        await asyncio.wait_for(task, TIMEOUT_S)
        assert await connection.take(1) == []


async def test_it_ends_when_it_is_cancelled_in_the_moment_in_which_the_broker_hangs_up() -> None:
    running_now: list[asyncio.Task[None]] = []

    class Broker(asyncio.Protocol):
        """Hangs up on whoever connects; turns of the event loop later the connection is cancelled."""

        def __init__(self, turns: int) -> None:
            self._turns = turns

        def data_received(self, data: bytes) -> None:
            self._transport.close()
            self._cancel(self._turns)

        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def _cancel(self, turns: int) -> None:
            loop = asyncio.get_running_loop()
            if turns:
                loop.call_soon(self._cancel, turns - 1)
            else:
                running_now[-1].cancel()

    for turns in range(12):
        server = await asyncio.get_running_loop().create_server(lambda turns=turns: Broker(turns), "127.0.0.1", 0)  # type: ignore[misc]
        async with server:
            running_now.append(asyncio.create_task(connection_to(server.sockets[0].getsockname()[1]).run()))
            done, _ = await asyncio.wait(running_now[-1:], timeout=TIMEOUT_S)
            running_now[-1].cancel()
            assert done, f"cancelled {turns} turns after the broker hung up, it goes on"


async def test_a_group_shares_its_messages() -> None:
    with mosquitto() as port:
        shared = TOPICS._replace(group="us")
        async with running(connection_to(port, shared)) as one, running(connection_to(port, shared, client_id="two")) as two:
            await send(port, *(b"%d" % number for number in range(40)))
            got = payloads(await taken(one, 20)) + payloads(await taken(two, 20))
            assert sorted(map(int, got)) == list(range(40))


LESSER = {
    "refuses": (lesser.without_sharing, lesser.unchanged),
    "announces": (lesser.hanging_up_on_sharing, lesser.announcing_no_sharing),
    "speaks MQTT 3.1.1": (lesser.without_mqtt_5, lesser.unchanged),
}


@pytest.mark.parametrize(("up", "down"), LESSER.values(), ids=LESSER)
async def test_a_broker_without_shared_subscriptions_gets_plain_ones(up: Any, down: Any) -> None:
    with mosquitto() as real, lesser.before(real, up, down) as port, capture_logs() as logs:
        async with running(connection_to(port, TOPICS._replace(group="us"), unsubscribe=("$share/them/meter/+",))) as connection:
            await send(real, b"1")
            assert payloads(await taken(connection, 1)) == [b"1"]
            assert not [entry for entry in logs if "refuses a subscription" in entry["event"]]


async def test_former_subscriptions_end() -> None:
    with mosquitto() as port:
        async with running(connection_to(port, TOPICS, Subscription("b", group="us"), **KEPT)) as connection:
            await connection.close()
        unsubscribe = ("meter/+", "$share/us/b", "c")
        async with running(connection_to(port, Subscription("c"), unsubscribe=unsubscribe, **KEPT)) as connection:
            for topic in ("meter/1", "b", "c"):
                await send(port, topic.encode(), topic=topic)
            assert payloads(await taken(connection, 1)) == [b"c"]


async def test_a_refused_login_is_logged_without_its_password() -> None:
    with mosquitto("password_file /dev/null", "allow_anonymous false") as port, capture_logs() as logs:
        login = {"user": "ours", "password": "no-one-may-read-this"}
        connection = connection_to(port, **login)
        async with running(connection, is_awaited=False):
            await until(lambda: any("refuses" in entry["event"] for entry in logs))
        assert login["password"] not in f"{logs} {Login(host='h', port=1, client_id='c', **login)}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
async def test_messages_come_over_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    secure = free_port()
    with mosquitto(f"listener {secure} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}") as port:
        tls = ssl.create_default_context(cafile=str(certificate))
        async with running(connection_to(secure, TOPICS, tls=tls)) as connection:
            sent = [b"%d" % number * 50 for number in range(2_000)] + [b"z" * 300_000]
            sending = asyncio.create_task(send(port, *sent))
            got: list[bytes] = []
            while len(got) < len(sent):
                some = await taken(connection, 1)
                connection.acknowledge(some)
                got += payloads(some)
            assert got == sent
            await sending
