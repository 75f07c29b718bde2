"""Real payloads of 18 devices are read right, and nothing else than PayloadError ever comes of any bytes."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.samples import PayloadError
from telemetry.shelly.status import parse_status
from telemetry.tests.shelly.status_payloads import EXPECTED, PAYLOADS, status_of


def parse(body: object) -> Any:
    return parse_status(orjson.dumps(body), max_power_w=30_000)


def test_every_payload_has_its_expectation() -> None:
    assert {path.stem for path in PAYLOADS.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_payload_gives_its_watts_and_counters(name: str) -> None:
    body = status_of(name)
    status = parse(body)
    assert [(s.channel, s.power_w, s.energy_wh) for s in status.samples] == EXPECTED[name]
    assert status.mac == body["sys"]["mac"].lower()
    assert {s.time for s in status.samples} == {datetime.fromtimestamp(body["sys"]["unixtime"], UTC)}
    unconnected = 2 if name.startswith("shellypro3em") else 0  # phases without a wire say 0 V
    assert [s.voltage_v for s in status.samples].count(None) == unconnected
    assert all(s.current_a is not None for s in status.samples)


def test_returned_energy_is_taken_out_of_a_switch_counter_but_not_of_an_em1() -> None:
    switch = {"apower": -5, "aenergy": {"total": 100.5}, "ret_aenergy": {"total": 40.25}}
    (sample,) = parse({"switch:0": switch, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.energy_wh, sample.returned_wh) == (60.25, 40.25)
    both = {"em1:0": {"act_power": -5}, "em1data:0": {"total_act_energy": 100.5, "total_act_ret_energy": 40.25}}
    (sample,) = parse({**both, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.energy_wh, sample.returned_wh) == (100.5, 40.25)


def test_where_the_counter_of_both_directions_alone_was_reset_both_are_known_all_the_same() -> None:
    switch = {"apower": 360, "aenergy": {"total": 100.0}, "ret_aenergy": {"total": 400.0}}
    (sample,) = parse({"switch:0": switch, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.energy_wh, sample.returned_wh) == (-300.0, 400.0)
    switch["ret_aenergy"] = {"total": 100.0001}
    (sample,) = parse({"switch:0": switch, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.energy_wh, sample.returned_wh) == (0.0, 100.0)


def test_a_meter_outranks_a_relay_on_its_channel() -> None:
    components = {
        "switch:0": {"apower": 3},
        "em1:0": {"act_power": 2},
        "em:0": {"a_act_power": 1},
        "switch:1": {"apower": 4},
        "pm1:1": {"apower": 5},
        "cover:2": {"apower": 6},
        "switch:2": {"apower": 7, "aenergy": {"total": 8}},
    }
    for body in (components, dict(reversed(components.items()))):
        status = parse({**body, "sys": {"mac": "AABBCCDDEEFF"}})
        assert [(s.channel, s.power_w, s.energy_wh) for s in status.samples] == [(0, 1, None), (1, 5, None), (2, 7, 8)]


def test_a_relay_that_does_not_measure_leaves_its_channel_to_the_meter() -> None:
    body = {"switch:0": {"output": True}, "em1:0": {"act_power": 2}, "sys": {"mac": "AABBCCDDEEFF"}}
    assert [(s.channel, s.power_w, s.output) for s in parse(body).samples] == [(0, 2, True)]


def test_what_a_relay_is_goes_with_its_channel_and_nothing_else_is_taken_for_it() -> None:
    components = {
        "switch:0": {"apower": 3, "output": False},
        "pm1:1": {"apower": 4, "output": True},
        "switch:2": {"output": True},
        "switch:3": {"apower": 5, "output": "on"},
    }
    samples = parse({**components, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert [(s.channel, s.power_w, s.output) for s in samples] == [(0, 3, False), (1, 4, None), (3, 5, None), (2, None, True)]
    with pytest.raises(PayloadError, match="ninguna medición"):
        parse({"switch:0": {"output": True}, "sys": {"mac": "AABBCCDDEEFF"}})


@pytest.mark.parametrize("tiny", [1e-50, -1e-322, "1e-400", 9e-7, -0.0, "-0"])
def test_what_is_too_small_to_matter_is_zero(tiny: object) -> None:
    body = {"switch:0": {"apower": tiny, "current": tiny}, "sys": {"mac": "AABBCCDDEEFF"}}
    (sample,) = parse(body).samples
    assert (str(sample.power_w), str(sample.current_a)) == ("0.0", "0.0")


def test_counters_have_three_decimals() -> None:
    body = {
        "switch:0": {"apower": 1, "aenergy": {"total": 1e-322}, "ret_aenergy": {"total": 0.0004}},
        "sys": {"mac": "AABBCCDDEEFF"},
    }
    (sample,) = parse(body).samples
    assert (sample.energy_wh, sample.returned_wh) == (0.0, 0.0)


@pytest.mark.parametrize("text", ["1_000", " 12", "12 ", "12\n", "１２", "١٢", "0x10", "+5", "Infinity", "", "1e", ".", "-"])
def test_only_plain_numbers_are_taken_from_text(text: str) -> None:
    with pytest.raises(PayloadError):
        parse({"switch:0": {"apower": text}, "sys": {"mac": "AABBCCDDEEFF"}})


@pytest.mark.parametrize("name", ["switch:١", "switch:00", "switch:0 ", "Switch:0"])
def test_a_component_is_named_in_plain_digits(name: str) -> None:
    with pytest.raises(PayloadError, match="ninguna medición"):
        parse({name: {"apower": 5}, "sys": {"mac": "AABBCCDDEEFF"}})


def test_the_apps_own_script_is_understood() -> None:
    body = {
        "switch:0": {"id": 0, "apower": "1234.5", "voltage": "127.3", "current": 5.6, "output": True, "temperature": {"tC": 40}},
        "sys": {"mac": "a8:03:24:12:c3:d4"},
    }
    status = parse(body)
    assert status.mac == "a8032412c3d4"
    assert status.samples == [(0, None, 1234.5, 127.3, 5.6, None, None, Kind.SWITCH, True)]


def test_a_failed_meter_is_passed_over_and_the_others_are_kept() -> None:
    body = {
        "switch:0": {"apower": None, "voltage": None},
        "switch:1": {"apower": 7},
        "sys": {"mac": "AABBCCDDEEFF", "unixtime": None},
    }
    assert [(s.channel, s.power_w) for s in parse(body).samples] == [(1, 7.0)]


LIGHT = {
    "id": 0,
    "output": True,
    "brightness": 60.0,
    "apower": 5.2,
    "voltage": 119.4,
    "current": 0.05,
    "aenergy": {"total": 12.5},
}


def channels_of(**components: dict[str, Any]) -> list[tuple[int, float]]:
    body = {name.replace("_", ":"): fields for name, fields in components.items()}
    return [(one.channel, one.power_w) for one in parse({**body, "sys": {"mac": "AABBCCDDEEFF"}}).samples]


def test_lights_are_meters_with_channels_of_their_own() -> None:
    lights = {f"light_{number}": LIGHT | {"apower": float(number)} for number in range(5)}
    assert channels_of(**lights) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    assert channels_of(rgb_0=LIGHT, cct_0=LIGHT | {"apower": 7.0}) == [(5, 5.2), (6, 7.0)]
    assert channels_of(rgb_0=LIGHT, light_0=LIGHT, light_1=LIGHT) == [(0, 5.2), (1, 5.2), (5, 5.2)]
    assert channels_of(rgbw_0=LIGHT) == [(5, 5.2)]
    assert channels_of(cct_0=LIGHT, cct_1=LIGHT) == [(6, 5.2), (7, 5.2)]
    (sample,) = parse({"light:0": LIGHT, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert sample == (0, None, 5.2, 119.4, 0.05, 12.5, None, Kind.LIGHT, None)


@pytest.mark.parametrize("name", ["light:5", "rgb:1", "rgbw:1", "cct:2"])
def test_more_lights_than_a_device_has_are_refused(name: str) -> None:
    with pytest.raises(PayloadError):
        parse({name: LIGHT, "sys": {"mac": "AABBCCDDEEFF"}})


def test_a_light_that_measures_nothing_is_passed_over() -> None:
    assert channels_of(light_0={"id": 0, "output": True}, switch_1={"apower": 3.0}) == [(1, 3.0)]


def test_the_voltage_of_a_strip_is_not_the_mains() -> None:
    (sample,) = parse({"rgbw:0": LIGHT | {"voltage": 24.1}, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.voltage_v, sample.current_a) == (None, 0.05)


@pytest.mark.parametrize(
    ("fields", "voltage", "current"),
    [
        ({"apower": 100.0, "voltage": 0, "current": 0}, None, None),
        ({"apower": 0.0, "voltage": 0, "current": 0}, None, 0.0),
        ({"apower": 100.0, "voltage": 0.0, "current": 0.8}, None, 0.8),
        ({"apower": 100.0, "voltage": 127.0, "current": 0}, 127.0, 0.0),
        ({"apower": 100.0, "voltage": "0"}, None, None),
    ],
)
def test_no_voltage_is_an_unknown_one(fields: dict[str, Any], voltage: float | None, current: float | None) -> None:
    (sample,) = parse({"switch:0": fields, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.voltage_v, sample.current_a) == (voltage, current)
    phase = {f"a_{name.replace('apower', 'act_power')}": value for name, value in fields.items()}
    (sample,) = parse({"em:0": phase, "sys": {"mac": "AABBCCDDEEFF"}}).samples
    assert (sample.voltage_v, sample.current_a) == (voltage, current)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"apower": "nan"}, "switch:0.apower"),
        ({"apower": "inf"}, "switch:0.apower"),
        ({"apower": 30_000.1}, "switch:0.apower"),
        ({"apower": -30_000.1}, "switch:0.apower"),
        ({"apower": True}, "switch:0.apower"),
        ({"apower": [1]}, "switch:0.apower"),
        ({"apower": 10**400}, "switch:0.apower"),
        ({"apower": "x"}, "switch:0.apower"),
        ({"voltage": -0.1}, "switch:0.voltage"),
        ({"current": 1e9}, "switch:0.current"),
        ({"aenergy": {"total": -1}}, "switch:0.aenergy.total"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(change: dict[str, Any], field: str) -> None:
    body = {"switch:0": {"apower": 1, **change}, "sys": {"mac": "AABBCCDDEEFF"}}
    raw = str(body).replace("'", '"').replace("True", "true").encode()
    with pytest.raises(PayloadError) as caught:
        parse_status(raw, max_power_w=30_000)
    assert caught.value.field == field or "JSON" in str(caught.value)


@pytest.mark.parametrize(
    "body", [[], 5, None, {}, {"sys": 1}, {"sys": {}}, {"sys": {"mac": "xyz"}}, {"sys": {"mac": "AABBCCDDEEFF"}}]
)
def test_a_body_without_mac_or_measurement_is_refused(body: object) -> None:
    with pytest.raises(PayloadError):
        parse(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["apower", "voltage", "aenergy", "total", "a_act_power", "mac", "unixtime", "act_power"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
bodies = st.dictionaries(
    st.sampled_from(["switch:0", "pm1:3", "em:0", "emdata:0", "em1:99", "em1data:1", "cover:0", "light:1", "rgb:0", "cct:1"]),
    json_values,
)


@given(raw=st.binary(max_size=80))
def test_any_bytes_give_samples_or_a_payload_error(raw: bytes) -> None:
    with pytest.raises(PayloadError):
        parse_status(raw, max_power_w=30_000)


@given(body=bodies, system=json_values | st.fixed_dictionaries({"mac": st.just("AABBCCDDEEFF"), "unixtime": json_values}))
def test_any_json_gives_possible_samples_or_a_payload_error(body: dict[str, Any], system: object) -> None:
    try:
        status = parse_status(orjson.dumps({**body, "sys": system}, option=orjson.OPT_PASSTHROUGH_SUBCLASS), max_power_w=30_000)
    except (PayloadError, orjson.JSONEncodeError):
        return
    assert status.samples
    assert all(abs(sample.power_w) <= 30_000 for sample in status.samples)
