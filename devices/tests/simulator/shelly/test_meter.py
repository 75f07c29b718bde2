import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.simulator import CircuitPlan, Clock, Meter, MeterState, StateError, history, meter_build, state_load, state_save

ZONE = ZoneInfo("America/Mexico_City")
NOON = int(datetime(2026, 11, 18, 18, tzinfo=UTC).timestamp())
MAC = "02aabbccddee"


def meter(*kinds: str, state: MeterState | None = None, model: str = "shellyplus1pm") -> Meter:
    return meter_build(MAC, CircuitPlan(kinds or ("kitchen",), ZONE, model), seed="1", state=state)


def counter(one: Meter, time: float) -> float:
    return one.readings(time)[0].energy_wh


def test_the_payload_has_a_shellys_shape() -> None:
    body = meter("kitchen", "laundry", model="shelly2pmg3").status(NOON + 7.9)
    assert list(body) == ["switch:0", "switch:1", "sys"]
    switch = body["switch:1"]
    reported = {"id", "source", "output", "apower", "voltage", "freq", "current", "pf", "aenergy", "ret_aenergy", "temperature"}
    assert set(switch) == reported
    assert switch["id"] == 1
    assert 59.9 < switch["freq"] < 60.1
    assert switch["aenergy"]["minute_ts"] == NOON
    assert len(switch["aenergy"]["by_minute"]) == 3
    assert switch["temperature"]["tF"] == pytest.approx(switch["temperature"]["tC"] * 1.8 + 32, abs=0.06)
    assert body["sys"]["mac"] == "02AABBCCDDEE"
    assert body["sys"]["unixtime"] == NOON + 7
    json.dumps(body, allow_nan=False)


def test_a_plus_1pm_reports_no_frequency_and_a_model_without_relay_no_output() -> None:
    assert "freq" not in meter().status(NOON)["switch:0"]
    body = meter(model="shellypmminig3").status(NOON)["pm1:0"]
    assert "output" not in body
    assert "freq" in body


def test_the_last_minutes_are_the_counters_movement_newest_first() -> None:
    one = meter("living")
    before = [counter(one, NOON + 60 * n) for n in range(4)]
    by_minute = one.status(NOON + 185)["switch:0"]["aenergy"]["by_minute"]
    moved = [round((b - a) * 1000, 3) for a, b in pairwise(before)]
    assert by_minute == pytest.approx(moved[::-1], abs=1.1)


@given(st.lists(st.integers(-100, 5000), min_size=2, max_size=40))
@settings(deadline=None)
def test_the_counter_never_falls_whatever_the_clock_does(steps: list[int]) -> None:
    one, time, counters = meter("laundry"), NOON, []
    for step in steps:
        time += step
        counters.append(counter(one, time))
    assert counters == sorted(counters)


@given(st.integers(1, 700))
@settings(deadline=None)
def test_the_counter_moves_by_the_power_that_was_reported(cells: int) -> None:
    readings = list(meter().history(NOON, NOON + 5 * cells, 5))
    reported_wh = sum(reading.power_w for reading in readings[:-1]) * 5 / 3600
    assert readings[-1].energy_wh - readings[0].energy_wh == pytest.approx(reported_wh, abs=0.05 * 5 * cells / 3600 + 0.001)


@given(st.lists(st.integers(1, 20_000), max_size=10))
@settings(deadline=None)
def test_counters_do_not_depend_on_when_they_were_asked(steps: list[int]) -> None:
    asked, silent, time = meter(), meter(), NOON
    assert counter(asked, NOON) == counter(silent, NOON)
    for step in steps:
        time += step
        counter(asked, time)
    assert counter(asked, time) == pytest.approx(counter(silent, time), abs=0.002)


def test_a_restart_goes_on_where_the_curve_is() -> None:
    running = meter("kitchen", "living")
    running.status(NOON)
    again = meter("kitchen", "living", state=running.state)
    assert again.readings(NOON + 7200) == running.readings(NOON + 7200)


def test_even_a_state_that_is_older_than_the_last_post_leads_to_the_same_counters() -> None:
    running = meter()
    running.status(NOON)
    old = running.state
    running.status(NOON + 45)
    assert counter(meter(state=old), NOON + 50) == pytest.approx(counter(running, NOON + 50), abs=0.001)


def test_a_circuit_that_was_off_is_still_off_after_a_restart() -> None:
    running = meter("kitchen", "living")
    running.switch(0, NOON, on=False)
    again = meter("kitchen", "living", state=running.state)
    assert [circuit.is_on for circuit in again.circuits] == [False, True]
    assert again.readings(NOON + 7200) == running.readings(NOON + 7200)
    assert counter(again, NOON + 7200) == counter(running, NOON)
    assert again.status(NOON + 7200)["switch:0"]["output"] is False


def test_a_meter_without_relays_is_never_off() -> None:
    assert meter(model="shellypmminig3", state=MeterState(NOON, (5.0,), (0.0,), (False,))).circuits[0].is_on


def test_a_state_from_before_relays_were_simulated_is_read(tmp_path: Path) -> None:
    path = tmp_path / "simulator.json"
    path.write_text(json.dumps({MAC: {"time": NOON, "energy_wh": [50.0]}}))
    one = meter(state=state_load(path)[MAC])
    assert counter(one, NOON) == 50.0
    assert one.circuits[0].is_on


def test_panels_return_energy_and_their_history_says_so() -> None:
    rows = list(meter("solar").history(NOON, NOON + 3600, 60))
    assert all(row.power_w < 0 and row.energy_wh == 0 for row in rows)
    assert rows[-1].returned_wh is not None
    assert rows[-1].returned_wh - rows[0].returned_wh == pytest.approx(-sum(row.power_w for row in rows[1:]) / 60, rel=0.05)
    assert meter().readings(NOON)[0].returned_wh is None


def test_after_more_than_a_week_the_counter_stands_where_it_stood() -> None:
    one = meter(state=MeterState(NOON, (1000.0,)))
    assert counter(one, NOON + 7 * 86_400 + 1) == 1000.0
    assert counter(one, NOON + 8 * 86_400) > 1000.0


def test_a_state_of_another_number_of_channels_keeps_what_fits() -> None:
    two = meter("kitchen", "living", state=MeterState(NOON, (1000.0,))).readings(NOON)
    assert two[0].energy_wh == 1000.0
    assert two[1].energy_wh > 1e6
    assert len(meter(state=MeterState(NOON, (1.0, 2.0))).readings(NOON)) == 1


def test_history_lies_on_a_grid_and_joins_what_comes_after() -> None:
    one = meter("kitchen", "air_conditioning")
    rows = list(one.history(NOON + 1, NOON + 3601, 30))
    assert [row.channel for row in rows] == [0] * 120 + [1] * 120
    assert rows[0].time == datetime.fromtimestamp(NOON + 30, UTC)
    assert rows[119].time == datetime.fromtimestamp(NOON + 3600, UTC)
    assert all(a.energy_wh <= b.energy_wh for a, b in pairwise(rows[:120]))
    curve_wh = one.curves[0].energy_wh(NOON + 3600, NOON + 3605)
    assert counter(one, NOON + 3605) == pytest.approx(rows[119].energy_wh + curve_wh, abs=0.002)


def test_history_written_twice_is_the_same() -> None:
    one = meter()
    first = list(one.history(NOON, NOON + 3600, 30))
    again = list(one.history(NOON + 1800, NOON + 5400, 30))
    shared = [row for row in again if row.time <= first[-1].time]
    assert len(shared) == 61
    for a, b in zip(first[-61:], shared, strict=True):
        assert a._replace(energy_wh=0) == b._replace(energy_wh=0)
        assert a.energy_wh == pytest.approx(b.energy_wh, abs=0.002)


def test_history_before_a_counters_state_leads_up_to_it() -> None:
    rows = list(meter(state=MeterState(NOON, (50_000.0,))).history(NOON - 86_400, NOON, 30))
    assert rows[-1].energy_wh == pytest.approx(50_000, abs=0.002)
    assert 48_000 < rows[0].energy_wh < 49_500


def test_history_never_goes_below_zero() -> None:
    rows = list(meter(state=MeterState(NOON, (10.0,))).history(NOON - 86_400, NOON, 300))
    assert rows[0].energy_wh == 0
    assert [row.energy_wh for row in rows] == sorted(row.energy_wh for row in rows)


def test_the_history_of_several_meters_names_their_devices() -> None:
    rows = list(history([(7, meter()), (9, meter())], NOON, NOON + 60, 30))
    assert [device_id for device_id, _ in rows] == [7, 7, 7, 9, 9, 9]


def test_state_survives_in_a_file_and_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "below" / "simulator.json"
    assert state_load(path) == {}
    state_save(path, {MAC: MeterState(1.5, (2.25, 3.0))})
    state_save(path, {"020000000000": MeterState(4.0, (5.0,), (6.0,), (False,))})
    assert state_load(path) == {MAC: MeterState(1.5, (2.25, 3.0)), "020000000000": MeterState(4.0, (5.0,), (6.0,), (False,))}
    assert [file.name for file in path.parent.iterdir()] == ["simulator.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"02": {}}', '{"02": {"time": "x", "energy_wh": []}}', "7"])
def test_a_broken_state_file_names_itself_and_the_cure(tmp_path: Path, text: str) -> None:
    path = tmp_path / "simulator.json"
    path.write_text(text)
    with pytest.raises(StateError, match=r"simulator\.json .*delete it"):
        state_load(path)


def test_a_fast_clock_starts_in_the_past_and_stops_hurrying_at_now() -> None:
    wall = [1000.0]
    clock = Clock(speed=10, start=100, wall=lambda: wall[0])
    seen = []
    for wall[0] in (1000.0, 1010.0, 1099.0, 1100.0, 1101.0, 2000.0):
        seen.append(clock.now())
    assert seen == [100.0, 200.0, 1090.0, 1100.0, 1101.0, 2000.0]
    assert clock.lag_s == 0


def test_a_clock_never_starts_in_the_future() -> None:
    wall = [1000.0]
    clock = Clock(start=5000, wall=lambda: wall[0])
    assert clock.now() == 1000.0
