from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.simulator.shelly import rpc
from devices.tests.simulator.shelly.devices_to_test import NOON, ZONE, ask, device

CALL = {"method": "Switch.Set", "params": {"id": 0, "on": False}}


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("Switch.Set", {"on": True}, (-103, "Missing required 'id'")),
        ("Switch.Set", {"id": 0}, (-103, "Missing required 'on'")),
        ("Switch.Set", {"id": 0, "on": "yes"}, (-103, "Invalid argument 'on'!")),
        ("Switch.Set", {"id": True, "on": True}, (-103, "Invalid argument 'id'!")),
        ("Switch.Set", {"id": 0, "on": True, "toggle_after": -1}, (-103, "Invalid argument 'toggle_after'!")),
        ("Switch.Set", {"id": 7, "on": True}, (-105, "Argument 'id', value 7 not found!")),
        ("Switch.Toggle", {"id": -1}, (-105, "Argument 'id', value -1 not found!")),
        ("Switch.GetStatus", {}, (-103, "Missing required 'id'")),
        ("Switch.GetStatus", {"id": 1}, (-105, "Argument 'id', value 1 not found!")),
        ("Switch.ResetCounters", {"id": 4}, (-105, "Argument 'id', value 4 not found!")),
        ("Switch.SetConfig", {"id": 0}, (-103, "Missing required 'config'")),
        ("Switch.SetConfig", {"id": 0, "config": {"auto_off": 1}}, (-103, "Invalid argument 'auto_off'!")),
        ("Switch.SetConfig", {"id": 0, "config": {"initial_state": "up"}}, (-103, "Invalid argument 'initial_state'!")),
        ("MQTT.SetConfig", {"config": "on"}, (-103, "Invalid argument 'config'!")),
        ("Schedule.Create", {"calls": [CALL]}, (-103, "Missing required 'timespec'")),
        ("Schedule.Create", {"timespec": "0 0 8 * * *"}, (-103, "Missing required 'calls'")),
        ("Schedule.Create", {"timespec": "at eight", "calls": [CALL]}, (-103, "Invalid argument 'timespec'!")),
        ("Schedule.Create", {"timespec": "0 0 8 * * *", "calls": []}, (-103, "Invalid argument 'calls'!")),
        ("Schedule.Create", {"timespec": "0 0 8 * * *", "calls": [CALL] * 6}, (-103, "Invalid argument 'calls'!")),
        ("Schedule.Delete", {"id": 3}, (-105, "Argument 'id', value 3 not found!")),
        ("Schedule.Update", {}, (-103, "Missing required 'id'")),
        ("PM1.GetStatus", {"id": 0}, (404, "No handler for PM1.GetStatus")),
        ("Cover.Open", {"id": 0}, (404, "No handler for Cover.Open")),
        ("", {}, (404, "No handler for ")),
    ],
)
def test_a_wrong_request_gets_the_protocols_error(method: str, params: dict[str, Any], error: tuple[int, str]) -> None:
    one = device()
    before = one.status(NOON)
    assert ask(one, method, **params) == error
    assert one.status(NOON) == before


@pytest.mark.parametrize(
    "frame",
    [
        None,
        [],
        "Switch.Set",
        {},
        {"id": 1, "method": "Shelly.GetStatus"},
        {"id": 1, "src": "", "method": "Shelly.GetStatus"},
        {"id": 1, "src": 5, "method": "Shelly.GetStatus"},
        {"src": "x", "method": "Shelly.GetStatus"},
        {"id": 1, "src": "x"},
        {"id": 1, "src": "x", "result": {}},
    ],
)
def test_what_is_no_request_or_names_no_sender_is_dropped(frame: object) -> None:
    one = device()
    assert rpc.answer(one, frame, NOON, source="MQTT") is None
    assert one.relays[0].is_on


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
METHODS = sorted(device("shelly2pmg3").methods)


@given(
    st.sampled_from(METHODS), st.dictionaries(st.sampled_from(["id", "on", "config", "timespec", "calls", "offset"]), json_values)
)
def test_whatever_is_asked_gets_a_result_or_an_error(method: str, params: dict[str, Any]) -> None:
    reply = rpc.answer(device("shelly2pmg3"), {"id": "a", "src": "x", "method": method, "params": params}, NOON, source="MQTT")
    assert reply
    assert ("result" in reply) != ("error" in reply)


def test_a_command_answers_what_was_and_the_status_says_what_is() -> None:
    one = device("shelly2pmg3")
    assert ask(one, "Switch.Set", id=1, on=False) == {"was_on": True}
    assert ask(one, "Switch.Set", id=1, on=False) == {"was_on": False}
    assert ask(one, "Switch.Toggle", id=1) == {"was_on": False}
    assert ask(one, "Switch.Toggle", id=1) == {"was_on": True}
    status = ask(one, "Switch.GetStatus", id=1)
    assert (status["output"], status["apower"], status["source"]) == (False, 0.0, "MQTT")
    assert ask(one, "Switch.GetStatus", id=0)["output"]
    assert ask(one, "Shelly.GetStatus")["switch:1"] == status


@pytest.mark.parametrize(
    ("model", "methods"),
    [
        ("shellypmminig3", {"PM1.GetStatus", "PM1.ResetCounters"}),
        ("shellypro3em", {"EM.GetStatus", "EMData.GetStatus", "Temperature.GetStatus"}),
        ("shellyproem50", {"EM1.GetStatus", "EM1Data.GetStatus", "Switch.GetStatus", "Switch.Set"}),
    ],
)
def test_a_model_has_the_methods_of_its_components(model: str, methods: set[str]) -> None:
    one = device(model)
    listed = set(ask(one, "Shelly.ListMethods")["methods"])
    assert methods <= listed
    assert ("Switch.Set" in listed) == (model == "shellyproem50")
    for method in methods:
        if method.endswith("GetStatus"):
            assert ask(one, method, id=0)["id"] == 0


def test_the_relay_of_an_energy_meter_switches_and_measures_nothing() -> None:
    one = device("shellyproem50")
    assert ask(one, "Switch.Set", id=0, on=True) == {"was_on": False}
    assert ask(one, "Switch.GetStatus", id=0).keys() == {"id", "source", "output", "temperature"}
    assert ask(one, "Switch.ResetCounters", id=0)[0] == -105


def test_resetting_counters_answers_what_they_showed() -> None:
    one = device("shelly2pmg3")
    before = ask(one, "Switch.GetStatus", id=0)["aenergy"]["total"]
    assert ask(one, "Switch.ResetCounters", id=0) == {"aenergy": {"total": before}, "ret_aenergy": {"total": 0.0}}
    status = ask(one, "Shelly.GetStatus")
    assert status["switch:0"]["aenergy"]["total"] == 0
    assert status["switch:0"]["aenergy"]["by_minute"] == [0, 0, 0]
    assert status["switch:1"]["aenergy"]["total"] > 1e6


def test_components_are_listed_in_pages() -> None:
    one, total = device("shellypro4pm"), 1
    found: list[dict[str, Any]] = []
    while len(found) < total:
        page = ask(one, "Shelly.GetComponents", offset=len(found), include=["status"])
        total = page["total"]
        found += page["components"]
    assert {one["key"]: one["status"] for one in found} == ask(one, "Shelly.GetStatus")
    assert "config" in ask(one, "Shelly.GetComponents", include=["config"])["components"][0]


def test_settings_of_a_connection_wait_for_a_restart_and_the_password_is_never_read_back() -> None:
    one = device()
    changes = {"server": "10.0.0.2:1883", "user": "u", "pass": "secret", "status_ntf": True, "topic_prefix": "cocina", "foo": 1}
    assert ask(one, "MQTT.SetConfig", config=changes) == {"restart_required": True}
    config = ask(one, "MQTT.GetConfig")
    assert config["topic_prefix"] == "cocina"
    assert not {"pass", "foo"} & config.keys()
    assert ask(one, "Sys.GetStatus")["restart_required"]
    assert one.mqtt.active["topic_prefix"] == one.id
    assert ask(one, "Shelly.Reboot") is None
    events = [event for said in one.take_notifications() for event in said.params.get("events", [])]
    assert [event["event"] for event in events] == ["config_changed", "scheduled_restart"]
    one.tick(NOON + 2)
    assert one.mqtt.active["pass"] == "secret"
    assert not ask(one, "Sys.GetStatus", NOON + 2)["restart_required"]


def test_a_schedule_of_its_own_switches_at_the_local_time() -> None:
    one = device()
    spec = {"timespec": "0 30 17 * * WED", "calls": [CALL]}
    assert ask(one, "Schedule.Create", **spec) == {"id": 1, "rev": 1}
    assert ask(one, "Schedule.Create", timespec="0 31 17 * * *", enable=False, calls=[CALL]) == {"id": 2, "rev": 2}
    assert ask(one, "Schedule.List") == {
        "jobs": [{"id": 1, "enable": True, **spec}, {"id": 2, "enable": False, "timespec": "0 31 17 * * *", "calls": [CALL]}],
        "rev": 2,
    }
    at = datetime(2026, 7, 8, 17, 30, tzinfo=ZONE).timestamp()
    one.tick(at - 1)
    assert one.relays[0].is_on
    one.tick(at)
    assert (one.relays[0].is_on, one.relays[0].source) == (False, "schedule")
    assert ask(one, "Schedule.Delete", at, id=1) == {"rev": 3}
    assert ask(one, "Switch.Set", at, id=0, on=True) == {"was_on": False}
    one.tick(at + 7 * 86_400)
    assert one.relays[0].is_on
    assert ask(one, "Sys.GetStatus", at)["schedule_rev"] == 3
    assert ask(one, "Schedule.DeleteAll", at) == {"rev": 4}


def test_a_device_keeps_twenty_schedules() -> None:
    one = device()
    for number in range(20):
        assert ask(one, "Schedule.Create", timespec="0 0 8 * * *", calls=[CALL])["id"] == number + 1
    assert ask(one, "Schedule.Create", timespec="0 0 8 * * *", calls=[CALL])[0] == -108
    assert ask(one, "Schedule.Update", id=20, enable=False) == {"rev": 21}
