"""Simulated devices on real brokers, the test session's and Mosquitto, asked by plain clients."""

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from common.testing import await_true, free_port
from common.tests.mqtt.mosquitto import mosquitto, needed, self_signed
from devices.simulator.shelly.device import Device
from devices.tests.simulator.mqtt_listener import Broker, Listener
from devices.tests.simulator.online import all_online, online
from devices.tests.simulator.shelly.devices_to_test import device


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=needed)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "embedded":
        yield Broker(settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT)
        return
    with mosquitto() as port:
        yield Broker("127.0.0.1", port)


def listening(broker: Broker, name: str, topics: str = "#") -> Listener:
    return Listener(broker, name, topics)


numbers = itertools.count(1)


def simulated(broker: Broker, model: str = "shellyplus1pm", **given: Any) -> Device:
    """A device of its own for each test, since what a broker retains outlives it."""
    return device(
        model, now=time.time(), mac=f"02000000{next(numbers):04x}", mqtt={"enable": True, "server": broker.server, **given}
    )


def test_it_says_all_of_itself_at_connect_and_its_last_will_when_it_is_gone(broker: Broker) -> None:
    with listening(broker, "first") as listener:
        with online(simulated(broker, "shelly2pmg3", status_ntf=True)) as one:
            prefix = one.device.id
            await_true("it has told all", lambda: f"{prefix}/status/ws" in listener.topics())
            topics = [topic.removeprefix(prefix) for topic in listener.topics() if topic.startswith(prefix)]
            assert topics[:4] == ["/online", "/events/rpc", "/status/mqtt", "/events/rpc"]
            assert {"/status/switch:0", "/status/switch:1", "/status/sys"} <= set(topics)
            assert 10 <= len(topics) <= 20
            changed, full = listener.bodies(f"{prefix}/events/rpc")[:2]
            assert (changed["method"], changed["params"]["mqtt"]) == ("NotifyStatus", {"connected": True})
            assert (full["src"], full["dst"], full["method"]) == (prefix, f"{prefix}/events", "NotifyFullStatus")
            assert listener.bodies(f"{prefix}/status/switch:1")[0] == full["params"]["switch:1"]
            assert listener.bodies(f"{prefix}/online") == [True]
        await_true("its last will is published", lambda: listener.bodies(f"{prefix}/online") == [True, False])
    with listening(broker, "later") as later:
        await_true("it is retained", lambda: set(later.bodies(f"{prefix}/online")) == {False})


def test_a_command_is_answered_then_told_on_both_kinds_of_topics(broker: Broker) -> None:
    with online(simulated(broker, status_ntf=True)) as one, listening(broker, "asker") as listener:
        prefix = one.device.id
        assert listener.ask(prefix, "Switch.Set", id=0, on=False) == {"was_on": True}
        await_true("its status topic says so", lambda: listener.bodies(f"{prefix}/status/switch:0"))
        changes = listener.bodies(f"{prefix}/events/rpc")
        assert changes[0]["params"]["switch:0"] == {"id": 0, "source": "MQTT", "output": False}
        assert listener.bodies(f"{prefix}/status/switch:0")[0]["apower"] == 0
        order = [topic for topic in listener.topics() if not topic.endswith(("/echo", "/online"))][:4]
        assert order == [f"{prefix}/rpc", "asker/rpc", f"{prefix}/events/rpc", f"{prefix}/status/switch:0"]
        assert listener.ask(prefix, "Switch.GetStatus", id=0)["output"] is False
        assert listener.ask(prefix, "Switch.GetStatus", id=9)["code"] == -105
        assert listener.ask(prefix, "Light.Set", id=0) == {"code": 404, "message": "No handler for Light.Set"}


def test_it_answers_on_the_bare_topic_as_the_originals_simulator_does(broker: Broker) -> None:
    with online(simulated(broker), replies_bare=True) as one, listening(broker, "asker") as listener:
        assert listener.ask(one.device.id, "Switch.Toggle", reply_on="asker", id=0) == {"was_on": True}


def test_what_is_no_request_or_names_no_reply_topic_is_dropped_and_the_next_one_is_answered(broker: Broker) -> None:
    with online(simulated(broker)) as one, listening(broker, "asker") as listener:
        for payload in ("{", "[]", "\x00", {"id": 1, "method": "Switch.Toggle", "params": {"id": 0}}):
            listener.say(f"{one.device.id}/rpc", payload)
        for source in ("#", "a/+/b", "x" * 70_000):
            listener.say(f"{one.device.id}/rpc", {"id": 1, "src": source, "method": "Shelly.GetDeviceInfo"})
        assert listener.ask(one.device.id, "Switch.GetStatus", id=0)["output"] is True


def test_command_topics_switch_and_ask_for_a_status(broker: Broker) -> None:
    with online(simulated(broker, "shellypro4pm", topic_prefix="casa/tablero")) as one, listening(broker, "asker") as listener:

        def outputs() -> list[bool]:
            return [relay.is_on for relay in one.device.relays]

        listener.say("casa/tablero/command/switch:2", "off")
        await_true("it is off", lambda: outputs() == [True, True, False, True])
        listener.say("casa/tablero/command/switch:0", "toggle")
        listener.say("casa/tablero/command/switch:2", "on,600")
        await_true("they are switched", lambda: outputs() == [False, True, True, True])
        assert one.device.relays[2].timer.duration_s == 600
        listener.say("casa/tablero/command/switch:1", "sideways")
        listener.say("casa/tablero/command/switch:9", "off")
        listener.say("casa/tablero/command/switch:3", "status_update")
        await_true("one status comes", lambda: listener.bodies("casa/tablero/status/switch:3"))
        listener.say("shellies/command", "status_update")
        await_true("all come", lambda: listener.bodies("casa/tablero/status/wifi"))
        listener.say("casa/tablero/command", "announce")
        await_true("it announces itself", lambda: listener.bodies("casa/tablero/announce"))
        assert listener.bodies("casa/tablero/announce")[0]["id"] == one.device.id
        assert outputs() == [False, True, True, True]


def test_without_control_and_rpc_it_takes_no_orders_and_says_what_it_may(broker: Broker) -> None:
    given = {"enable_control": False, "enable_rpc": False, "rpc_ntf": False, "status_ntf": True}
    with online(simulated(broker, **given)) as one, listening(broker, "asker") as listener:
        listener.say(f"{one.device.id}/command/switch:0", "off")
        listener.say(f"{one.device.id}/rpc", {"id": 1, "src": "asker", "method": "Switch.Set", "params": {"id": 0, "on": False}})
        one.call(lambda device, now: device.switch(0, on=False, source="button", now=now))
        await_true("its topic says so", lambda: listener.bodies(f"{one.device.id}/status/switch:0"))
        assert listener.bodies(f"{one.device.id}/status/switch:0")[0]["source"] == "button"
        assert not {"asker/rpc", f"{one.device.id}/events/rpc"} & set(listener.topics())


def test_a_silent_device_obeys_and_never_answers(broker: Broker) -> None:
    with online(simulated(broker)) as one, listening(broker, "asker") as listener:
        one.device.faults.is_silent = True
        listener.say(f"{one.device.id}/rpc", {"id": 1, "src": "asker", "method": "Switch.Set", "params": {"id": 0, "on": False}})
        await_true("it is off", lambda: not one.device.relays[0].is_on)
        one.device.faults.is_silent = False
        assert listener.ask(one.device.id, "Switch.GetStatus", id=0)["output"] is False
        assert len(listener.bodies("asker/rpc")) == 1


def test_a_restart_breaks_the_connection_and_new_settings_hold_afterwards(broker: Broker) -> None:
    with listening(broker, "asker") as listener, online(simulated(broker)) as one:
        prefix = one.device.id
        config = {"topic_prefix": "cocina", "status_ntf": True}
        assert listener.ask(prefix, "MQTT.SetConfig", config=config) == {"restart_required": True}
        assert listener.ask(prefix, "Shelly.Reboot", delay_ms=500) is None
        await_true("it is back under its new prefix", lambda: listener.bodies("cocina/status/switch:0"))
        assert listener.bodies(f"{prefix}/online") == [True, False]
        assert listener.ask("cocina", "Sys.GetStatus")["uptime"] < 10
        assert listener.bodies("cocina/events/rpc")[0]["src"] == prefix


@pytest.mark.parametrize(
    "settings_of",
    [{"server": "127.0.0.1:mqtt"}, {"server": "127.0.0.1:1"}, {"topic_prefix": "a/#"}, {"ssl_ca": "/nowhere.pem"}],
)
def test_settings_that_lead_nowhere_are_tried_again_and_end_nothing(settings_of: dict[str, Any]) -> None:
    embedded = Broker(settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT)
    reasons: list[str] = []
    with online(simulated(embedded, **settings_of), awaited=False, on_change=reasons.append):
        await_true("it has tried again", lambda: len(reasons) > 1)
    assert all(reasons)


@needed
def test_it_comes_back_by_itself_when_the_broker_does() -> None:
    with mosquitto() as port:
        started = online(simulated(Broker("127.0.0.1", port)))
        one = started.__enter__()
    try:
        await_true("it has lost the broker", lambda: not one.is_connected())
        with mosquitto(f"listener {port} 127.0.0.1"):
            await_true("it is connected again", one.is_connected)
    finally:
        started.__exit__(None, None, None)


@needed
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_it_connects_by_tls_and_checks_the_broker_as_it_is_told(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    secure = free_port()
    with mosquitto(f"listener {secure} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}") as port:
        broker = Broker("127.0.0.1", secure)
        for ssl_ca in (str(certificate), "*"):
            with online(simulated(broker, ssl_ca=ssl_ca)) as one, Listener(Broker("127.0.0.1", port), "asker", "#") as listener:
                assert listener.ask(one.device.id, "Switch.Toggle", id=0) == {"was_on": True}
        reasons: list[str] = []
        with online(simulated(broker, ssl_ca="ca.pem"), awaited=False, on_change=reasons.append):
            await_true("it refuses the broker", lambda: any("CERTIFICATE_VERIFY_FAILED" in reason for reason in reasons))


def test_a_hundred_devices_run_on_one_loop_and_each_answers_for_itself(broker: Broker) -> None:
    devices = [simulated(broker) for _ in range(100)]
    with all_online(devices) as every, Listener(broker, "asker", "asker/#") as listener:
        for number, one in enumerate(every):
            request = {"id": number, "src": "asker", "method": "Switch.Set", "params": {"id": 0, "on": number % 2 == 0}}
            listener.say(f"{one.device.id}/rpc", request)
        await_true("all have answered", lambda: len(listener.bodies("asker/rpc")) == 100)
        assert {reply["id"]: reply["src"] for reply in listener.bodies("asker/rpc")} == dict(enumerate(one.id for one in devices))
        assert [one.relays[0].is_on for one in devices] == [number % 2 == 0 for number in range(100)]
