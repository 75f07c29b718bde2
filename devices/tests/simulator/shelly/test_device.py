from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.simulator.appliances import HOUSE
from devices.simulator.shelly.device import Device
from devices.simulator.shelly.errors import RpcError
from devices.simulator.shelly.reporting import has_moved
from devices.tests.simulator.shelly.devices_to_test import NOON, ask, device, run


def total(one: Device, now: float, name: str = "switch:0") -> float:
    return float(one.status(now)[name]["aenergy"]["total"])


def test_what_is_switched_off_draws_nothing_until_it_is_on_again() -> None:
    one = device()
    before = total(one, NOON)
    ask(one, "Switch.Set", NOON, id=0, on=False)
    assert ask(one, "Switch.GetStatus", NOON + 600, id=0)["apower"] == 0
    assert total(one, NOON + 600) == pytest.approx(before, abs=0.001)
    ask(one, "Switch.Set", NOON + 600, id=0, on=True)
    used = one.meter.curves[0].energy_wh(NOON + 600, NOON + 1200)
    assert total(one, NOON + 1200) == pytest.approx(before + used, abs=0.002)


def test_the_minutes_of_a_counter_know_when_the_relay_was_off() -> None:
    one = device()
    ask(one, "Switch.Set", NOON + 60, id=0, on=False)
    ask(one, "Switch.Set", NOON + 120, id=0, on=True)
    by_minute = one.status(NOON + 185)["switch:0"]["aenergy"]["by_minute"]
    assert by_minute[1] == 0
    assert by_minute[0] > 0
    assert by_minute[2] > 0


@given(st.lists(st.tuples(st.floats(0.1, 400), st.booleans()), max_size=12))
@settings(max_examples=40)
def test_a_counter_never_falls_and_moves_by_what_flows_while_the_relay_is_on(steps: list[tuple[float, bool]]) -> None:
    one, now = device(), NOON
    last, used, is_on = total(one, now), 0.0, True
    first = last
    for pause, on in steps:
        later = now + pause
        used += one.meter.curves[0].energy_wh(now, later) if is_on else 0.0
        now = later
        ask(one, "Switch.Set", now, id=0, on=on)
        is_on = on
        assert total(one, now) >= last
        last = total(one, now)
    assert last - first == pytest.approx(used, abs=0.01)


@given(st.lists(st.tuples(st.integers(1, 90), st.sampled_from(["on", "off", "reset", "nothing"])), max_size=10))
@settings(max_examples=25)
def test_changes_laid_over_the_full_status_are_the_status(steps: list[tuple[int, str]]) -> None:
    one, now = device("shelly2pmg3", "living", "solar"), NOON
    one.notify_full(now)
    known: dict[str, dict[str, Any]] = {}
    for pause, action in steps:
        if action in {"on", "off"}:
            ask(one, "Switch.Set", now, id=0, on=action == "on")
        elif action == "reset":
            ask(one, "Switch.ResetCounters", now, id=0)
        said = [*one.take_notifications(), *(notification for _, notification in run(one, now, now + pause))]
        now += pause
        for notification in said:
            for name in notification.components:
                known[name] = known.get(name, {}) | notification.params[name]
    status = one.status(now)
    for name in ("switch:0", "switch:1") if steps else ():
        assert known[name]["output"] == status[name]["output"]
        for key in ("apower", "voltage", "current"):
            assert not has_moved(key, known[name][key], status[name][key]), key


def test_energy_is_notified_right_after_each_full_minute_and_only_if_it_moved() -> None:
    one = device()
    told = [(now, said.params["switch:0"]) for now, said in run(one, NOON + 30, NOON + 300) if "aenergy" in str(said.params)]
    assert [now for now, _ in told] == pytest.approx([NOON + 60, NOON + 120, NOON + 180, NOON + 240, NOON + 300], abs=0.2)
    assert [body["aenergy"]["minute_ts"] for _, body in told] == [NOON + 60 * n for n in range(1, 6)]
    for (_, before), (_, after) in pairwise(told):
        moved_mwh = (after["aenergy"]["total"] - before["aenergy"]["total"]) * 1000
        assert after["aenergy"]["by_minute"][0] == pytest.approx(moved_mwh, abs=1.1)
    ask(one, "Switch.Set", NOON + 301, id=0, on=False)
    later = [said for _, said in run(one, NOON + 301, NOON + 900) if "aenergy" in str(said.params)]
    assert len(later) == 1, "but for the minute in which it was switched off"


def test_a_steady_load_is_silent_but_for_its_minutes_and_a_new_one_is_told_within_a_second() -> None:
    one = device("shellyplus1pm", "laundry")
    list(run(one, NOON, NOON + 61))
    ask(one, "Switch.Set", NOON + 61, id=0, on=False)
    (change,) = one.take_notifications()
    assert change.params["switch:0"] == {"id": 0, "source": "MQTT", "output": False}
    said = [(now, notification.params) for now, notification in run(one, NOON + 61, NOON + 119)]
    assert [(now, list(params["switch:0"])) for now, params in said] in ([(NOON + 62, ["id", "apower"])], [])


@pytest.mark.parametrize(
    ("key", "before", "value", "moved"),
    [
        ("apower", 0, 1.0, False),
        ("apower", 0, 1.1, True),
        ("apower", 1000, 1040, False),
        ("apower", 1000, 940, True),
        ("apower", -1000, -1060, True),
        ("voltage", 127, 128.5, False),
        ("voltage", 127, 114, True),
        ("current", 0.1, 0.115, False),
        ("current", 0.1, 0.13, True),
    ],
)
def test_dead_bands(key: str, before: float, value: float, moved: bool) -> None:
    assert has_moved(key, before, value) == moved


def test_an_energy_meter_tells_all_it_measures_every_three_seconds_and_its_counters_each_minute() -> None:
    said = list(run(device("shellypro3em"), NOON + 1, NOON + 121))
    meter = [now for now, notification in said if notification.components == ["em:0"]]
    assert {round(b - a) for a, b in pairwise(meter)} == {3}
    assert [now for now, notification in said if notification.components == ["emdata:0"]] == [NOON + 60, NOON + 120]
    both = [notification.components for _, notification in run(device("shellyproem50"), NOON + 1, NOON + 5)]
    assert both[0] == ["em1:0", "em1:1"]


def test_returned_energy_is_in_both_counters_of_a_switch_and_apart_in_an_energy_meter() -> None:
    one = device("shelly2pmg3", "living", "solar")
    before, after = (one.status(now)["switch:1"] for now in (NOON, NOON + 600))
    assert after["apower"] < -100
    moved = {key: after[key]["total"] - before[key]["total"] for key in ("aenergy", "ret_aenergy")}
    assert moved["aenergy"] == pytest.approx(moved["ret_aenergy"])
    assert moved["aenergy"] > 50
    meter = device("shellyproem50", "living", "solar").status(NOON)
    assert meter["em1:1"]["act_power"] < -100
    assert meter["em1data:1"]["total_act_energy"] == 0
    assert meter["em1data:1"]["total_act_ret_energy"] > 1e6


def test_a_small_load_of_a_meter_that_counts_pulses_comes_in_lumps() -> None:
    one = device("shellypmminig3", "laundry")
    minutes = [one.status(NOON + 60 * n + 1)["pm1:0"]["aenergy"]["by_minute"][0] for n in range(1, 40)]
    assert 0.0 in minutes
    assert 213.298 in minutes
    assert sum(minutes) / 1000 == pytest.approx(one.meter.curves[0].energy_wh(NOON, NOON + 39 * 60), abs=0.22)


def test_a_timer_turns_back_and_a_new_command_ends_it() -> None:
    one = device()
    ask(one, "Switch.Set", NOON, id=0, on=False, toggle_after=10)
    status = ask(one, "Switch.GetStatus", NOON + 9, id=0)
    assert (status["output"], status["timer_started_at"], status["timer_duration"]) == (False, NOON, 10)
    assert one.next_due(NOON + 9.5) == NOON + 10
    one.tick(NOON + 12)
    status = ask(one, "Switch.GetStatus", NOON + 12, id=0)
    assert (status["output"], status["source"]) == (True, "timer")
    assert "timer_started_at" not in status
    used = one.meter.curves[0].energy_wh(NOON + 10, NOON + 12)
    assert one.meter.circuits[0].energy_wh(NOON, NOON + 12) == pytest.approx(used)
    ask(one, "Switch.Set", NOON + 12, id=0, on=False, toggle_after=10)
    ask(one, "Switch.Set", NOON + 13, id=0, on=False)
    one.tick(NOON + 60)
    assert not one.relays[0].is_on


def test_auto_off_and_auto_on_follow_their_configuration() -> None:
    one = device()
    config = {"auto_off": True, "auto_off_delay": 30, "auto_on": True, "auto_on_delay": 5, "name": "Bomba"}
    assert ask(one, "Switch.SetConfig", id=0, config=config) == {"restart_required": False}
    assert ask(one, "Switch.GetConfig", id=0)["name"] == "Bomba"
    ask(one, "Switch.Set", NOON, id=0, on=False)
    states = [
        (now - NOON, said.params["switch:0"]["output"]) for now, said in run(one, NOON, NOON + 80) if "output" in str(said.params)
    ]
    assert states == [(0 + 1, False), (5, True), (35, False), (40, True), (70, False), (75, True)]


def test_automatic_timers_of_no_time_do_not_chase_each_other_for_ever() -> None:
    one = device()
    config = {"auto_off": True, "auto_off_delay": 0, "auto_on": True, "auto_on_delay": 0}
    assert ask(one, "Switch.SetConfig", id=0, config=config) == {"restart_required": False}
    ask(one, "Switch.Set", NOON, id=0, on=False)
    one.tick(NOON + 1.05)
    outputs = [said for said in one.take_notifications() if "output" in str(said.params)]
    assert len(outputs) == 11, "the command's and ten timers'"


def test_a_restart_keeps_the_counters_but_for_less_than_a_watt_hour() -> None:
    one = device()
    ask(one, "Switch.Set", NOON, id=0, on=False, toggle_after=300)
    before = total(one, NOON + 100)
    ask(one, "Shelly.Reboot", NOON + 100, delay_ms=2000)
    assert one.restarts_at == NOON + 102
    one.tick(NOON + 103)
    assert one.boots == 2
    status = one.status(NOON + 103)
    assert -1 < total(one, NOON + 103) - before <= 0
    assert status["switch:0"]["aenergy"]["by_minute"] == [0, 0, 0]
    assert (status["sys"]["uptime"], status["switch:0"]["source"]) == (1, "init")
    one.tick(NOON + 500)
    assert not one.relays[0].is_on, "its timer is gone, and it restores its last output"


@pytest.mark.parametrize(
    ("initial", "before", "after"),
    [("on", False, True), ("off", True, False), ("restore_last", True, True), ("match_input", True, False)],
)
def test_the_output_after_a_restart_is_as_configured(initial: str, before: bool, after: bool) -> None:
    one = device()
    ask(one, "Switch.SetConfig", id=0, config={"initial_state": initial})
    ask(one, "Switch.Set", id=0, on=before)
    one.restart(NOON + 1)
    assert one.relays[0].is_on == one.meter.circuits[0].is_on == after


def test_a_clock_that_jumps_moves_what_the_device_says_and_no_energy() -> None:
    one = device()
    before = total(one, NOON + 60)
    one.set_clock(-3600, NOON + 60)
    status = one.status(NOON + 90)
    assert (status["sys"]["unixtime"], status["switch:0"]["aenergy"]["minute_ts"]) == (NOON - 3510, NOON - 3540)
    assert status["sys"]["time"] == "11:01"
    assert total(one, NOON + 90) - before == pytest.approx(one.meter.curves[0].energy_wh(NOON + 60, NOON + 90), abs=0.002)
    one.notify_full(NOON + 90)
    assert one.take_notifications()[-1].params["ts"] == NOON - 3510


def test_without_a_clock_there_are_no_minutes() -> None:
    one = device()
    one.set_clock(None, NOON)
    status = one.status(NOON + 60)
    assert (status["sys"]["unixtime"], status["sys"]["time"]) == (None, None)
    assert status["switch:0"]["aenergy"].keys() == {"total"}
    assert not [said for _, said in run(one, NOON, NOON + 300) if "aenergy" in str(said.params)]


def test_too_much_power_opens_the_relay_and_a_command_clears_the_error() -> None:
    one = device("shellyplus1pm", HOUSE)
    ask(one, "Switch.SetConfig", id=0, config={"power_limit": 5})
    said = [notification.params.get("switch:0", {}) for _, notification in run(one, NOON, NOON + 5)]
    assert {"id": 0, "errors": ["overpower"]} in said
    status = ask(one, "Switch.GetStatus", NOON + 5, id=0)
    assert (status["output"], status["apower"], status["errors"]) == (False, 0.0, ["overpower"])
    ask(one, "Switch.SetConfig", NOON + 5, id=0, config={"power_limit": 4000})
    ask(one, "Switch.Set", NOON + 5, id=0, on=True)
    assert one.take_notifications()[-1].params["switch:0"]["errors"] == []
    assert "errors" not in ask(one, "Switch.GetStatus", NOON + 5, id=0)


def test_errors_can_be_made_on_any_metering_component() -> None:
    meter = device("shellypmminig3")
    meter.fail(0, "overvoltage", "overtemp", now=NOON)
    assert meter.take_notifications()[-1].params["pm1:0"] == {"id": 0, "errors": ["overvoltage", "overtemp"]}
    assert meter.status(NOON)["pm1:0"]["errors"] == ["overvoltage", "overtemp"]


def test_a_silent_device_obeys_and_says_nothing() -> None:
    one = device()
    one.faults.is_silent = True
    with pytest.raises(AssertionError):
        ask(one, "Switch.Set", id=0, on=False)
    assert not one.relays[0].is_on
    assert list(run(one, NOON, NOON + 120)) == []


def test_a_stale_output_is_repeated_for_a_while_after_a_command() -> None:
    one = device()
    one.faults.stale_output_s = 30
    assert ask(one, "Switch.Set", id=0, on=False) == {"was_on": True}
    assert one.take_notifications()[-1].params["switch:0"]["output"] is False
    assert ask(one, "Switch.GetStatus", NOON + 29, id=0)["output"] is True
    assert ask(one, "Switch.GetStatus", NOON + 30, id=0)["output"] is False


def test_an_answer_can_be_made_an_error() -> None:
    one = device()
    one.faults.errors["Switch.Set"] = RpcError(-114, "Resource unavailable: relay")
    assert ask(one, "Switch.Set", id=0, on=False) == (-114, "Resource unavailable: relay")
    assert one.relays[0].is_on


def test_firmware_2_leaves_ids_out_of_changes() -> None:
    one = device("shelly1pmminig3", firmware="2.0.0")
    ask(one, "Switch.Set", id=0, on=False)
    assert "id" not in one.take_notifications()[-1].params["switch:0"]
    one.notify_full(NOON)
    assert one.take_notifications()[-1].params["switch:0"]["id"] == 0
    assert ask(one, "Shelly.GetDeviceInfo")["ver"] == "2.0.0"


def test_a_button_makes_an_event() -> None:
    one = device()
    one.push(0, "single_push", NOON + 0.5)
    (event,) = one.take_notifications()
    assert event.frame(one.id, "x/events") == {
        "src": one.id,
        "dst": "x/events",
        "method": "NotifyEvent",
        "params": {"ts": NOON + 0.5, "events": [{"component": "input:0", "id": 0, "event": "single_push", "ts": NOON + 0.5}]},
    }
    assert event.components == []
