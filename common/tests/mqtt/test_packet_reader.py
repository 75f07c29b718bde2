"""The fast packet reader beside paho's own code: the same conversation through both, and what comes out of each."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions
from structlog.testing import capture_logs

from common.mqtt.event_loop_client import EventLoopClient
from common.mqtt.packet_reader import VERIFIED_PAHO, FastEventLoopClient, client_class
from common.tests.mqtt.packets import CONNACK, DISCONNECT, PINGRESP, PUBACK, SUBACK, UNSUBACK, V3, V5, packet, publish, split

TIMEOUT_S = 20
TOPIC = b"shellyplus1pm-a8032412c3d4/events/rpc"
WAYS: tuple[type[EventLoopClient], ...] = (EventLoopClient, FastEventLoopClient)


class Outcome(NamedTuple):
    """What came out at the client's callbacks, and the packets that it wrote."""

    events: list[tuple[Any, ...]]
    written: list[bytes]


# Bytes that the broker says, and what the client does after it has got them.
Do = Callable[[EventLoopClient], object]
Script = list[bytes | Do]


class Conversation:
    """A client and a broker that follows a script, on one event loop, over TCP; then the broker hangs up."""

    def __init__(self, way: type[EventLoopClient], version: MQTTProtocolVersion) -> None:
        paho = way.paho_class(
            CallbackAPIVersion.VERSION2, client_id="c", protocol=version, manual_ack=True, reconnect_on_failure=False
        )
        self.events: list[tuple[Any, ...]] = []
        for name in ("on_connect", "on_subscribe", "on_unsubscribe", "on_publish"):
            setattr(paho, name, partial(self._note, name))
        self._over = asyncio.Event()
        self._client = way(
            paho,
            on_message=lambda *message: self.events.append(("message", *message)),
            on_end=self._over.set,
            is_full=lambda: False,
        )
        self._version = version

    def _note(self, name: str, client: Client, userdata: object, *values: object) -> None:
        self.events.append((name, *map(str, values)))

    async def run(self, script: Script, piece: int) -> Outcome:
        """Send what the broker says in pieces of so many bytes."""
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            opening = self._client.open("127.0.0.1", server.getsockname()[1], 60)
            (broker, _), _ = await asyncio.wait_for(asyncio.gather(loop.sock_accept(server), opening), TIMEOUT_S)
        broker.setblocking(False)
        broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with broker:
            written = asyncio.create_task(self._all_written(broker))
            for number, step in enumerate(script):
                if isinstance(step, bytes):
                    await self._say(broker, step, piece)
                else:
                    await self._await_mark(broker, str(number).encode())
                    step(self._client)
                    self._client.write()
            with contextlib.suppress(OSError):  # it has hung up on what is broken
                broker.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(self._over.wait(), TIMEOUT_S)
            self._client.close()
            return Outcome(self.events, list(split(await asyncio.wait_for(written, TIMEOUT_S))))

    async def _say(self, broker: socket.socket, data: bytes, piece: int) -> None:
        for start in range(0, len(data), piece):
            with contextlib.suppress(ConnectionError):
                await asyncio.get_running_loop().sock_sendall(broker, data[start : start + piece])
            await asyncio.sleep(0)  # the client reads

    async def _await_mark(self, broker: socket.socket, mark: bytes) -> None:
        """Wait until the client has got all that was said so far."""
        await self._say(broker, publish(b"mark", mark, self._version, qos=0), 1000)
        deadline = time.monotonic() + TIMEOUT_S
        while ("message", "mark", mark, 0, 0, False) not in self.events:
            assert time.monotonic() < deadline, self.events
            await asyncio.sleep(0.001)

    async def _all_written(self, broker: socket.socket) -> bytes:
        written = b""
        with contextlib.suppress(ConnectionError):
            while data := await asyncio.get_running_loop().sock_recv(broker, 10_000):
                written += data
        return written


def both(version: MQTTProtocolVersion, script: Script, piece: int = 100_000) -> tuple[Outcome, Outcome]:
    """Return the outcome of paho's own code, and of the fast reader."""
    of_paho, of_ours = [asyncio.run(Conversation(way, version).run(script, piece)) for way in WAYS]
    return of_paho, of_ours


def connack(version: MQTTProtocolVersion, reason: int = 0) -> bytes:
    return packet(CONNACK, bytes([not reason, reason]) + (b"\3\x21\0\x14" if version == V5 else b""))


def messages(version: MQTTProtocolVersion, large: int) -> bytes:
    """Plain ones, cut and whole ones, retained and repeated ones, and those that are paho's."""
    plain = [
        publish(TOPIC, payload, version, qos=qos, packet_id=number)
        for number, (payload, qos) in enumerate([(b"", 1), (b"x", 0), (b"y" * 200, 1), (b"{}", 1), ("ñ".encode(), 0)], 1)
    ]
    big = [publish(TOPIC, b"z" * size, version, packet_id=303) for size in (large, 10 * large)]
    marked = [
        publish(TOPIC, b"old", version, qos=0, retain=True),
        publish(TOPIC, b"kept", version, packet_id=9, retain=True),
        publish(TOPIC, b"again", version, packet_id=9, dup=True),
        publish("casa/baño/online".encode(), b"true", version, packet_id=10),
        publish(b"no\xfftext", b"raw", version, packet_id=11),
        publish(TOPIC, b"twice", version, qos=2, packet_id=12),
    ]
    dated, aliased = b"\2\0\0\0\5", b"\x23\0\1"
    with_properties = [
        publish(TOPIC, b"dated", version, packet_id=13, properties=dated),
        publish(TOPIC, b"named", version, packet_id=14, properties=aliased),
        publish(b"", b"by its alias", version, packet_id=15, properties=aliased),
        publish(TOPIC, b"commented", version, qos=0, properties=b"\x26\0\1k\0\1v"),
    ]
    own = with_properties if version == V5 else []
    return b"".join([*plain, PINGRESP, *big, *marked, *own, *plain])


def conversation(version: MQTTProtocolVersion, large: int) -> Script:
    """Everything that a connection goes through."""
    subscribed = packet(SUBACK, b"\0\1" + (b"\0\1\0\x87" if version == V5 else b"\1\0\x80"))
    published = packet(PUBACK, b"\0\3" + (b"\x10\0" if version == V5 else b""))
    unsubscribed = packet(UNSUBACK, b"\0\4" + (b"\0\0\x11" if version == V5 else b""))
    options = SubscribeOptions(qos=1) if version == V5 else 1
    return [
        connack(version),
        lambda client: client.paho.subscribe([("a/+", options), ("b", options), ("c", options)]),
        subscribed + messages(version, large),
        lambda client: client.acknowledge([1, 3, 258, 65_535]),
        packet(0x62, b"\0\x0c") + messages(version, large),  # PUBREL of the message of QoS 2
        lambda client: client.paho.publish("d/rpc", b"{}", 0),
        lambda client: client.paho.publish("d/rpc", b"{}", 1),
        lambda client: client.acknowledge([4]),
        messages(version, large) + published,
        lambda client: client.paho.unsubscribe(["a/+", "b"]),
        unsubscribed + messages(version, large),
        lambda client: client.acknowledge([9]),  # and all is written before the connection ends
        *([packet(DISCONNECT, b"\x8b\0")] if version == V5 else []),
    ]


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize(("piece", "large"), [(7, 300), (1_000, 20_000), (1_000_000, 20_000)])
def test_a_whole_conversation_comes_out_as_it_does_of_paho(version: MQTTProtocolVersion, piece: int, large: int) -> None:
    of_paho, of_ours = both(version, conversation(version, large), piece)
    assert of_ours == of_paho
    names = {event[0] for event in of_ours.events}
    assert names == {"message", "on_connect", "on_subscribe", "on_unsubscribe", "on_publish"}
    assert of_ours.events.count(("message", TOPIC.decode(), b"z" * 10 * large, 303, 1, False)) == 4
    assert [one for one in of_ours.written if one[0] == 0x40] == [
        b"\x40\2" + struct.pack("!H", mid) for mid in (1, 3, 258, 65_535, 4, 9)
    ]


@pytest.mark.parametrize("version", [V3, V5])
def test_a_conversation_that_the_client_ends_comes_out_as_it_does_of_paho(version: MQTTProtocolVersion) -> None:
    script: Script = [
        connack(version),
        messages(version, 1_000),
        lambda client: client.acknowledge([1]),
        lambda client: client.paho.disconnect(),
    ]
    of_paho, of_ours = both(version, script)
    assert of_ours == of_paho
    assert [one[0] for one in of_ours.written][-2:] == [PUBACK, DISCONNECT]


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize("reason", [1, 5, 0x84, 0x87])
def test_a_refusal_comes_out_as_it_does_of_paho(version: MQTTProtocolVersion, reason: int) -> None:
    of_paho, of_ours = both(version, [connack(version, reason)])
    assert of_ours == of_paho


BROKEN = {
    "length without end": b"\x32\xff\xff\xff\xff\1",
    "topic beyond the end": b"\x32\3\0\5a",
    "no packet id": b"\x32\3\0\1a",
    "nothing at all": b"\x32\0",
    "qos 3": b"\x36\6\0\1a\0\1\0",
    "no such packet": b"\0\0",
    "a client's packet": b"\x82\2\0\1",
    "no topic": b"\x30\3\0\0\0",
}


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_comes_out_as_it_does_of_paho(version: MQTTProtocolVersion, stream: bytes) -> None:
    script: Script = [connack(version) + publish(TOPIC, b"before", version) + stream]
    of_paho, of_ours = both(version, script)
    assert of_ours == of_paho
    assert ("message", TOPIC.decode(), b"before", 7, 1, False) in of_ours.events


pieces = st.one_of(
    st.binary(max_size=8),
    st.builds(
        publish,
        st.one_of(st.binary(max_size=4), st.just(TOPIC)),
        st.binary(max_size=200),
        st.sampled_from([V3, V5]),  # a client of either has to read what is meant for the other, somehow
        qos=st.integers(0, 3),
        packet_id=st.integers(0, 65_535),
        properties=st.sampled_from([b"", b"\2\0\0\0\5", b"\x23\0\1", b"\xff"]),
        retain=st.booleans(),
        dup=st.booleans(),
    ),
)


@settings(max_examples=60)
@given(
    version=st.sampled_from([V3, V5]), stream=st.lists(pieces, max_size=6).map(b"".join), piece=st.sampled_from([1, 3, 50, 1000])
)
def test_whatever_the_broker_says_comes_out_as_it_does_of_paho(version: MQTTProtocolVersion, stream: bytes, piece: int) -> None:
    of_paho, of_ours = both(version, [connack(version) + stream], piece)
    assert of_ours.events == of_paho.events  # what was about to be written when the connection ended may differ


def test_the_version_that_is_verified_is_the_one_that_is_pinned_and_installed() -> None:
    pinned = (Path(__file__).parents[3] / "requirements" / "base.txt").read_text()
    assert f"paho-mqtt=={VERIFIED_PAHO} " in pinned
    assert paho.mqtt.__version__ == VERIFIED_PAHO
    assert client_class() is FastEventLoopClient


def test_another_version_is_told_and_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paho.mqtt, "__version__", "2.9.9")
    with capture_logs() as logs:
        assert client_class() is EventLoopClient
    assert [(entry["log_level"], entry["paho"]) for entry in logs] == [("warning", "2.9.9")]


def test_a_client_that_is_left_behind_closes_after_its_event_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        for way in WAYS:
            made = way.paho_class(CallbackAPIVersion.VERSION2, client_id="c", protocol=V3)
            client = way(made, on_message=lambda *_: None, on_end=lambda: None, is_full=lambda: False)
            asyncio.run(client.open("127.0.0.1", broker.getsockname()[1], 60))
            client.close()
            assert made.socket().fileno() == -1
