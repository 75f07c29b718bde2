"""MQTT messages of real devices, and readings made of changes merged into what their devices said before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.merge import NO_STATE, DeviceState, changes, lacks_status
from telemetry.shelly.mqtt_messages import DeviceMessage, parse_message
from telemetry.shelly.samples import PayloadError, Sample

FRAMES = Path(__file__).parent / "frames"
AT = datetime(2026, 11, 23, 12, 0, 0, 130000, tzinfo=UTC)


def frame(name: str) -> Any:
    return orjson.loads((FRAMES / f"{name}.json").read_bytes())


def parsed(name: str) -> DeviceMessage:
    message = frame(name)
    return parse_message(message["topic"], orjson.dumps(message["payload"]), AT.timestamp())


def said(topic: str, payload: object) -> DeviceMessage:
    return parse_message(topic, orjson.dumps(payload), AT.timestamp())


def merged(state: DeviceState, message: DeviceMessage, at: datetime = AT) -> tuple[DeviceState, list[Sample]]:
    components, counters, samples = changes(state, message, at, max_power_w=30_000)
    return state._replace(components=components, counters=counters), samples


def test_a_change_of_power_is_read_with_its_time_and_speaker() -> None:
    message = parsed("mqtt_events_rpc-1pm_mini_gen3-notifystatus_power_fw2")
    assert (message.mac, message.model, message.prefix) == ("543204a16f86", "shelly1pmminig3", "shelly1pmminig3-543204a16f86")
    assert message.components == {"switch:0": {"apower": 11.5, "current": 0.071}}
    assert message.time == datetime.fromtimestamp(1788945292.88, UTC)
    assert not message.is_full


def test_a_device_is_known_by_its_src_when_its_prefix_is_the_owners_own() -> None:
    message = parsed("mqtt_events_rpc-plus2pm-notifystatus_minute_custom_prefix")
    assert (message.mac, message.prefix) == ("3ce90e933d1d", "shellyplus2pm-garage")
    status = parsed("mqtt_status-plus2pm-switch0")
    assert (status.mac, status.model, status.prefix) == ("", "", "shellyplus2pm-garage")


@pytest.mark.parametrize("prefix", ["x", "casa/cocina", "casa/planta baja/cocina", "a/status/b", "casa//cocina"])
def test_a_prefix_may_have_slashes(prefix: str) -> None:
    status = said(f"{prefix}/status/switch:0", FULL)
    assert (status.mac, status.model, status.prefix) == ("", "", prefix)
    assert said(f"{prefix}/events/rpc", {"src": "shellyplus1pm-a8032412c3d4", "method": "NotifyStatus"}).prefix == prefix
    last_will = parse_message(f"{prefix}/online", b"false", 0.0)
    assert (last_will.prefix, last_will.is_online) == (prefix, False)


def test_a_full_status_makes_a_reading_of_each_channel() -> None:
    message = parsed("mqtt_events_rpc-plus_plug_s-notifyfullstatus")
    assert message.is_full
    state, (sample,) = merged(NO_STATE, message)
    assert (sample.power_w, sample.voltage_v, sample.energy_wh) == (0.0, 229.1, 30473.355)
    assert merged(state, message)[1] == [sample]


@pytest.mark.parametrize(
    "name",
    ["mqtt_events_rpc-plus1pm_mini-notifystatus_mqtt_connected"],
)
def test_what_says_nothing_of_power_or_energy_is_a_sign_of_life(name: str) -> None:
    message = parsed(name)
    assert message.mac == "348518139687"
    assert merged(NO_STATE, message) == (NO_STATE, [])


def test_a_frame_whose_src_is_no_device_id_is_refused() -> None:
    message = frame("mqtt_events_rpc-plus1pm-notifyevent_single_push")
    with pytest.raises(PayloadError):
        parse_message(message["topic"], orjson.dumps(message["payload"]), 0.0)


def test_the_last_will_says_offline() -> None:
    message = parse_message("shellyplus1pm-a8032412c3d4/online", b"false", 0.0)
    assert (message.mac, message.is_online) == ("a8032412c3d4", False)


def test_an_error_is_a_sign_of_life_and_a_status_answer_a_full_status() -> None:
    error = frame("plus2pm-rpc_error_401")
    message = parse_message("ecowatt/backend/rpc_response/5/rpc", orjson.dumps(error), 0.0)
    assert (message.mac, message.components) == ("485519e1c307", {})
    result = {"switch:0": {"apower": 5.0}, "sys": {"mac": "A8032412C3D4", "unixtime": 1795420800}, "wifi": {}}
    full = said("x/rpc", {"id": 1, "src": "shellyplus1pm-a8032412c3d4", "dst": "x", "result": result})
    assert full.is_full
    assert full.components == {"switch:0": {"apower": 5.0}}


def test_a_three_phase_status_makes_a_reading_of_each_phase() -> None:
    message = said("shellypro3em-a8032412c3d4/status/em:0", frame("pro3em-em0_status_change"))
    _state, samples = merged(NO_STATE, message)
    assert [(one.channel, one.power_w, one.voltage_v) for one in samples] == [
        (0, 2403.7, 233.3),
        (1, 409.1, 236.7),
        (2, 235.3, 236.9),
    ]


SWITCH = "shellyplus1pm-a8032412c3d4/status/switch:0"
FULL = {"id": 0, "output": True, "apower": 60.0, "voltage": 127.0, "current": 0.5, "aenergy": {"total": 100.0}}


def changed(method: str = "NotifyStatus", **components: Any) -> DeviceMessage:
    params = {"ts": AT.timestamp(), **components}
    return said("p/events/rpc", {"src": "shellyplus1pm-a8032412c3d4", "method": method, "params": params})


def whole(**components: Any) -> DeviceMessage:
    return changed("NotifyFullStatus", **components)


def notify(**fields: Any) -> DeviceMessage:
    return changed(**{"switch:0": fields})


def test_a_partial_change_leaves_the_rest_as_last_known_and_repeats_no_counter() -> None:
    state, _ = merged(NO_STATE, said(SWITCH, FULL))
    state, (sample,) = merged(state, notify(apower=90.0))
    assert sample == (0, AT, 90.0, 127.0, 0.5, None, None, Kind.SWITCH, None)
    _, (sample,) = merged(state, notify(aenergy={"total": 101.5}))
    assert sample == (0, AT, 90.0, 127.0, 0.5, 101.5, None, Kind.SWITCH, None)


def test_energy_drawn_is_reckoned_with_the_returned_energy_known_last() -> None:
    returned = {"ret_aenergy": {"total": 40.0, "by_minute": [0.0], "minute_ts": 1}}
    state, (sample,) = merged(NO_STATE, said(SWITCH, FULL | returned))
    assert (sample.energy_wh, sample.returned_wh) == (60.0, 40.0)
    state, (sample,) = merged(
        state, energy(101.5, [500.0, 500.0, 500.0])
    )  # returned energy of other minutes says nothing of these
    assert (sample.energy_wh, sample.returned_wh) == (61.5, 40.0)
    state, (sample,) = merged(state, said(SWITCH, FULL | {"aenergy": {"total": 102.0}}))
    assert (sample.energy_wh, sample.returned_wh) == (62.0, 40.0)
    state, (sample,) = merged(state, whole(**{"switch:0": FULL | {"aenergy": {"total": 103.0}}}))
    assert (sample.energy_wh, sample.returned_wh) == (63.0, 40.0)


METER = {"id": 0, "act_power": 800.0, "voltage": 127.0, "current": 6.3}
METER_DATA = {"total_act_energy": 5000.0, "total_act_ret_energy": 0.0}


def test_a_relay_beside_a_meter_of_its_number_makes_no_reading_of_its_own() -> None:
    relay = FULL | {"apower": 0.0}
    status = {"em1:0": METER, "em1data:0": METER_DATA, "switch:0": relay, "em1:1": METER | {"act_power": 9.0}, "switch:2": relay}
    state, samples = merged(NO_STATE, whole(**status))
    assert [(one.channel, one.power_w, one.output) for one in samples] == [(0, 800.0, True), (1, 9.0, None), (2, 0.0, True)]
    state, samples = merged(state, notify(apower=3.0, aenergy={"total": 101.0, "by_minute": [1.0, 1.0, 1.0]}))
    assert samples == []
    state, samples = merged(
        state, changed(**{"em1:0": {"act_power": 700.0}, "switch:0": {"apower": 4.0}, "switch:2": {"apower": 5.0}})
    )
    assert [(one.channel, one.power_w) for one in samples] == [(0, 700.0), (2, 5.0)]
    minute = changed(**{"em1data:0": {"total_act_energy": 5001.0}, "switch:0": {"aenergy": {"total": 102.0}}})
    assert [(one.channel, one.power_w, one.energy_wh) for one in merged(state, minute)[1]] == [(0, 700.0, 5001.0)]


def test_a_relay_counts_where_the_meter_of_its_number_fails() -> None:
    state, _ = merged(NO_STATE, whole(**{"em1:0": METER, "switch:0": FULL}))
    state, samples = merged(state, changed(**{"em1:0": {"act_power": None}}))
    assert samples == []
    state, (sample,) = merged(state, notify(apower=61.0))
    assert (sample.channel, sample.power_w) == (0, 61.0)


def test_what_a_whole_status_does_not_name_is_gone() -> None:
    state, _ = merged(NO_STATE, whole(**{"switch:0": FULL, "switch:1": FULL}))
    state, (sample,) = merged(state, whole(**{"cover:0": FULL | {"apower": 70.0}}))
    assert set(state.components) == {"cover:0"}
    _, (sample,) = merged(state, changed(**{"cover:0": {"apower": 80.0}}))
    assert sample.power_w == 80.0


def test_the_same_fact_on_a_second_topic_makes_no_reading() -> None:
    state, _ = merged(NO_STATE, said(SWITCH, FULL))
    state, samples = merged(state, notify(apower=90.0))
    assert len(samples) == 1
    again, (relay,) = merged(state, said(SWITCH, FULL | {"apower": 90.0, "temperature": {"tC": 50}}))
    assert (again, relay) == (state, RELAY_ON)


THREE_PHASES = {"a_act_power": 1.0, "a_voltage": 127.0, "a_current": 0.1}
RELAY_ON = Sample(0, AT, None, None, None, None, None, output=True)


def test_a_change_of_a_relay_alone_is_told_without_a_power() -> None:
    state, (sample,) = merged(NO_STATE, said(SWITCH, FULL))
    assert sample.output is True
    assert merged(state, notify(output=True, source="button")) == (state, [RELAY_ON])
    assert merged(NO_STATE, notify(output=True)) == (NO_STATE, [RELAY_ON])
    _, (sample,) = merged(state, notify(output=False, apower=0.0))
    assert (sample.power_w, sample.output) == (0.0, False)
    _, (sample,) = merged(state, notify(apower=61.0))
    assert sample.output is None  # it did not say


@pytest.mark.parametrize(
    ("change", "is_lacking"),
    [
        ({"switch:0": {"output": True}}, True),
        ({"switch:0": {"voltage": 127.0, "current": 0.5}}, True),
        ({"em1data:0": {"total_act_energy": 5.0}}, True),
        ({"switch:0": {"apower": 60.0}, "switch:1": {"aenergy": {"total": 5.0}}}, True),
        ({"switch:0": {"apower": 60.0}}, True),
        ({"switch:0": {"apower": 60.0, "voltage": 127.0, "current": 0.5}}, False),
        ({"switch:0": {"apower": None, "voltage": None, "current": None}}, False),  # its metering has failed, and it said so
        ({"em:0": {"a_act_power": 1.0, "a_voltage": 127.0}}, True),
        ({"em:0": {"a_act_power": 1.0, "a_voltage": 127.0, "a_current": 0.1}}, False),
    ],
)
def test_a_change_to_what_was_never_told_lacks_the_whole_status(change: dict[str, Any], is_lacking: bool) -> None:
    state, _ = merged(NO_STATE, changed(**change))
    assert lacks_status(state, changed(**change)) is is_lacking
    known, _ = merged(NO_STATE, whole(**{"switch:0": FULL, "switch:1": FULL, "em1:0": METER, "em:0": THREE_PHASES}))
    assert not lacks_status(merged(known, changed(**change))[0], changed(**change))
    assert not lacks_status(NO_STATE, whole(**{"switch:0": {"output": True}}))


def test_energy_without_a_known_power_makes_no_reading() -> None:
    state, samples = merged(NO_STATE, notify(aenergy={"total": 101.5}))
    assert samples == []
    _, (sample,) = merged(state, notify(apower=5.0))
    assert sample.energy_wh is None


def test_energy_of_a_data_component_goes_with_the_power_of_its_meter() -> None:
    state, _ = merged(NO_STATE, said("p-a8032412c3d4/status/em1:1", {"act_power": 230.0, "voltage": 127.0}))
    _, (sample,) = merged(state, said("p-a8032412c3d4/status/em1data:1", {"total_act_energy": 55.5, "total_act_ret_energy": 2.0}))
    assert sample == (1, AT, 230.0, 127.0, None, 55.5, 2.0, Kind.EM1, None)


def energy(total: float, minutes: list[float], **more: Any) -> DeviceMessage:
    return notify(aenergy={"total": total, "by_minute": minutes, "minute_ts": int(AT.timestamp())}, **more)


def test_missed_minutes_come_from_the_devices_own_memory() -> None:
    start = AT - timedelta(minutes=3)
    state, _ = merged(NO_STATE, said(SWITCH, FULL), start)
    _, samples = merged(state, energy(106.0, [1000.0, 2000.0, 3000.0]))
    assert [(one.time, one.energy_wh, one.power_w) for one in samples] == [
        (AT.replace(microsecond=0) - timedelta(minutes=2), 103.0, 120.0),
        (AT.replace(microsecond=0) - timedelta(minutes=1), 105.0, 60.0),
        (AT, 106.0, 60.0),
    ]


@pytest.mark.parametrize(
    ("age", "total", "minutes", "at"),
    [
        (timedelta(minutes=1), 101.0, [1000.0, 2000.0, 3000.0], AT),  # nothing was missed
        (timedelta(minutes=3), 101.0, [1000.0, 2000.0, 3000.0], AT),  # the memory says more than the counter moved
        (timedelta(minutes=3), 106.0, [1000.0, 2000.0, 3000.0], AT + timedelta(seconds=20)),  # not at a full minute
        (timedelta(minutes=3), 106.0, [], AT),
        (timedelta(minutes=3), 106.0, ["x", None], AT),
    ],
)
def test_a_memory_that_does_not_fit_fills_nothing(age: timedelta, total: float, minutes: list[Any], at: datetime) -> None:
    state, _ = merged(NO_STATE, said(SWITCH, FULL), AT - age)
    assert len(merged(state, energy(total, minutes), at)[1]) == 1


def test_lumps_of_a_small_load_are_not_made_into_power() -> None:
    state, _ = merged(NO_STATE, said(SWITCH, FULL | {"apower": 4.4}), AT - timedelta(minutes=3))
    _, samples = merged(state, energy(100.213, [0.0, 0.0, 213.298]))
    assert [one.power_w for one in samples] == [4.4, 4.4, 4.4]


topics = st.sampled_from(
    ["p/events/rpc", "p/online", "p/status/switch:0", "p/status/em:0", "p/status/x", "a/b/rpc", "", "/", "p"]
)


@given(topic=topics, payload=st.binary(max_size=60))
def test_any_bytes_give_a_message_or_a_payload_error(topic: str, payload: bytes) -> None:
    try:
        parse_message(topic, payload, 0.0)
    except PayloadError:
        return


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["total", "by_minute", "minute_ts"]), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.sampled_from(["apower", "voltage", "aenergy", "ret_aenergy", "a_act_power", "total_act_energy", "act_power"])
components = st.dictionaries(
    st.sampled_from(["switch:0", "em:0", "emdata:0", "em1:1", "em1data:1"]), st.dictionaries(keys, values)
)


@given(components=components, full=st.booleans())
def test_any_message_can_be_merged_into_any_other(components: dict[str, dict[str, Any]], full: bool) -> None:
    state = NO_STATE
    for flag in (full, False):
        method = "NotifyFullStatus" if flag else "NotifyStatus"
        body = {"src": "shellyplus1pm-a8032412c3d4", "method": method, "params": {"ts": 1, **components}}
        try:
            state, samples = merged(state, said("p/events/rpc", body))
        except (PayloadError, orjson.JSONEncodeError):
            return
        assert all(sample.time is not None for sample in samples)
