"""What deploy/mosquitto promises, on a Mosquitto set up by its files: who may say and hear what."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from common.testing import await_true
from common.tests.mqtt.mosquitto import needed
from devices.models import Device
from telemetry.models import Reading
from telemetry.mqtt.subscriptions import DROPPED
from telemetry.tests.mqtt_device import MACS, frame, publish
from telemetry.tests.servers import Server, deployed_mosquitto

pytestmark = needed
OURS = "ecowatt"
A, B = (f"shellyplus1pm-{mac}" for mac in MACS[:2])
C = "casa/planta baja/cocina"  # a prefix of the owner's own
ACCOUNTS = {name: f"of-{name}" for name in (OURS, A, B, C)}
REPLIES = "ecowatt/backend/rpc_response"
# Who says something on a topic, and who of those that subscribe to everything hears it.
RULES = [
    *((A, f"{A}/{rest}", {OURS}) for rest in ("events/rpc", "status/switch:0", "online")),
    *((A, f"{REPLIES}/{rest}", {OURS}) for rest in (A, f"{A}/rpc", f"ingest-1/{A}", f"ingest-1/{A}/rpc")),
    *((C, f"{C}/{rest}", {OURS}) for rest in ("events/rpc", "status/switch:0", "online")),
    *((C, f"{REPLIES}/{rest}", {OURS}) for rest in (f"ingest-1/{C}", f"ingest-1/{C}/rpc")),
    *((C, topic, set()) for topic in (f"{A}/events/rpc", "casa/events/rpc", "casa/planta baja/otra/events/rpc")),
    *((OURS, f"{C}/{rest}", {C}) for rest in ("rpc", "command", "command/switch:0")),
    *((A, f"{B}/{rest}", set()) for rest in ("events/rpc", "status/switch:0", "online", "rpc", "command", "command/switch:0")),
    *((A, f"{REPLIES}/{rest}", set()) for rest in (B, f"{B}/rpc", f"ingest-1/{B}", f"ingest-1/{B}/rpc", f"{A}/{B}/rpc")),
    *((A, topic, set()) for topic in ("shellies/command", "something/else", f"{A}", f"{A}x/online", f"{A}/announce")),
    *((OURS, f"{A}/{rest}", {A}) for rest in ("rpc", "command", "command/switch:0")),
    (OURS, "shellies/command", {OURS, A, B, C}),
    *((OURS, topic, set()) for topic in (f"{A}/status/switch:0", f"{A}/online")),
    # The last word to each, so that it is known to have heard all before.
    (A, f"{A}/status/last", {OURS}),
    *((OURS, f"{name}/command/last", {name}) for name in (A, B, C)),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="ecowatt-") as folder:
        server = deployed_mosquitto(Path(folder), ACCOUNTS)
        server.start()
        yield server
        server.stop()


def client_of(broker: Server, name: str) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.username_pw_set(name, ACCOUNTS[name])
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    return client


@contextlib.contextmanager
def listening(broker: Server, name: str, *filters: str) -> Iterator[list[str]]:
    """Log in and subscribe; give the topics that are heard."""
    heard: list[str] = []
    granted: list[object] = []
    client = client_of(broker, name)
    client.on_message = lambda _client, _data, message: heard.append(message.topic)
    client.on_subscribe = lambda *_: granted.append(True)
    client.subscribe([(one, 1) for one in filters])
    try:
        await_true("it has subscribed", lambda: granted)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def say(broker: Server, name: str, topic: str, payload: bytes = b"{}") -> None:
    """Publish on a connection of its own: Mosquitto acknowledges what it denies, drops it, and hangs up."""
    client = client_of(broker, name)
    publish(client, topic, payload)
    client.disconnect()
    client.loop_stop()


def test_each_account_says_and_hears_what_is_its_own_and_nothing_else(broker: Server) -> None:
    with contextlib.ExitStack() as stack:
        heard = {name: stack.enter_context(listening(broker, name, "#")) for name in ACCOUNTS}
        for speaker, topic, _hearers in RULES:
            say(broker, speaker, topic)
        await_true("each has heard the last word", lambda: all(one and one[-1].endswith("/last") for one in heard.values()))
        assert heard == {name: [topic for _speaker, topic, hearers in RULES if name in hearers] for name in ACCOUNTS}


def test_a_device_that_says_more_than_we_need_stays_connected(broker: Server) -> None:
    device = client_of(broker, A)
    for topic in ("debug/log", "announce", "status", "online"):
        publish(device, f"{A}/{topic}", b"{}")
    assert device.is_connected()
    device.disconnect()
    device.loop_stop()


@pytest.mark.parametrize("wanted", [f"{A}/#", f"{A}/rpc", f"{REPLIES}/#", "+/rpc", "$share/x/+/events/rpc", DROPPED])
def test_no_device_hears_another_by_asking_for_it(broker: Server, wanted: str) -> None:
    last = f"{B}/command/last"
    with listening(broker, B, wanted, last) as heard:
        say(broker, A, f"{A}/events/rpc")
        say(broker, A, f"{REPLIES}/ingest-1/{A}/rpc")
        say(broker, OURS, f"{A}/rpc")
        say(broker, OURS, last)
        await_true("it has heard the last word", lambda: heard)
        assert heard == [last]


@pytest.mark.parametrize("login", [None, (A, "of-another"), ("nobody", "of-nobody")])
def test_nobody_comes_in_without_an_account(broker: Server, login: tuple[str, str] | None) -> None:
    client, reasons = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False), []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: reasons.append(str(reason))
    if login:
        client.username_pw_set(*login)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    await_true("the broker answers", lambda: reasons)
    client.loop_stop()
    assert reasons == ["Not authorized"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shared", ["false", "true"])
def test_ingest_takes_a_device_at_its_word_and_no_other_in_its_name(
    broker: Server, ingest: Any, meters: list[Device], shared: str
) -> None:
    ours = ingest(broker.port, "--instance", "1", MQTT_SHELLY_USER=OURS, MQTT_SHELLY_PASS=ACCOUNTS[OURS], MQTT_SHARED=shared)
    say(broker, A, *frame(MACS[1], 0, 90.0))  # on the other's topic
    say(broker, A, f"{A}/events/rpc", frame(MACS[1], 1, 90.0)[1])  # in the other's name
    say(broker, A, *frame(MACS[0], 2, 60.0))
    await_true("its own reading is stored", lambda: meters[0].pk in Reading.objects.values_list("device_id", flat=True))
    assert ours.end() == 0
    assert Reading.objects.get().device_id == meters[0].pk
    assert "otro dispositivo" in ours.log.read_text()
