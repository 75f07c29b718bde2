"""What simulated models report is what dumps of real ones show."""

import json
from pathlib import Path
from typing import Any

import pytest

from devices.shelly_models import model_of
from devices.simulator.shelly.hardware import HARDWARE, simulated_model
from devices.tests.simulator.shelly.devices_to_test import NOON, ask, device, run

DUMPS = Path(__file__).parents[4] / "telemetry" / "tests" / "shelly"
PAYLOADS = {
    path.stem: json.loads(path.read_text()) for path in sorted((DUMPS / "payloads").glob("*.json")) if "cover" not in path.stem
}
# What the dumps were taken with: firmware before 1.5 has no such field, and a device knows of Zigbee since then.
SINCE = {"utc_offset": "1.5", "last_sync_ts": "1.5", "ram_min_free": "1.5", "btrelay_rev": "1.5"}


def shape(body: Any) -> Any:
    """The keys of an object and of what is in it, but for those that name versions."""
    if not isinstance(body, dict):
        return None
    return {key: shape(value) for key, value in body.items() if key not in {"available_updates", "alt"}}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_models_status_has_the_keys_of_a_real_ones(name: str) -> None:
    dump = PAYLOADS[name]
    status = device(name.split("-")[0]).status(NOON)
    real = dump["status"]
    assert {key for key in status if ":" in key and not key.startswith("input")} == real.keys() - {"sys"}
    for component in real.keys() - {"sys"}:
        assert shape(status[component]) == shape(real[component]), component
    missing = shape(real["sys"]).keys() ^ shape(status["sys"]).keys()
    assert missing <= {key for key, since in SINCE.items() if dump["device"]["ver"] < since}
    assert ("alt" in real["sys"]) == ("alt" in status["sys"])


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_model_says_who_it_is_as_real_ones_do(name: str) -> None:
    real = PAYLOADS[name]["device"]
    info = ask(device(name.split("-")[0]), "Shelly.GetDeviceInfo")
    assert real.keys() <= info.keys()
    assert {key: info.get(key) for key in ("gen", "app", "profile")} == {key: real.get(key) for key in ("gen", "app", "profile")}
    model = model_of(info["model"])
    assert model
    assert real["model"] in model.codes
    assert info["id"] == f"{model.prefix}-02aabbccddee"


def test_a_full_notification_has_the_keys_of_a_real_one() -> None:
    real = json.loads((DUMPS / "frames" / "mqtt_events_rpc-plus_plug_s-notifyfullstatus.json").read_text())["payload"]
    one = device("shellyplusplugs")
    one.connection_made("mqtt", NOON)
    changed, full = (notification.frame(one.id, f"{one.id}/events") for notification in one.take_notifications())
    assert changed["params"] == {"ts": NOON, "mqtt": {"connected": True}}
    assert full.keys() == real.keys()
    assert real["params"].keys() - full["params"].keys() == {"plugs_ui", "script:1"}
    assert shape(full["params"]["switch:0"]) == shape(real["params"]["switch:0"])
    assert shape(real["params"]["wifi"]) == shape(full["params"]["wifi"])


def test_a_minutes_notification_has_the_shape_of_a_real_one() -> None:
    frame = "mqtt_events_rpc-plus2pm-notifystatus_minute_custom_prefix.json"
    real = json.loads((DUMPS / "frames" / frame).read_text())["payload"]
    one = device("shellyplus1pm", mqtt={"topic_prefix": "cocina"})
    found = [notification.frame(one.id, "cocina/events") for _, notification in run(one, NOON + 30, NOON + 61)]
    minute = next(body for body in found if "aenergy" in body["params"].get("switch:0", {}))
    assert shape(minute) == shape(real)


def test_three_phases_have_the_fields_of_a_real_ones_status() -> None:
    real = json.loads((DUMPS / "frames" / "pro3em-em0_status_change.json").read_text())
    assert real.keys() <= device("shellypro3em").status(NOON)["em:0"].keys()


@pytest.mark.parametrize(
    ("name", "channels", "prefix"),
    [
        ("shellypro4pm", 4, "shellypro4pm"),
        ("SPSW-104PE16EU", 4, "shellypro4pm"),
        ("", 1, "shellyplus1pm"),
        ("casa", 2, "shellyplus2pm"),
        ("casa", 3, "shellypro4pm"),
        ("shellydimmerg3", 1, "shellyplus1pm"),
        ("shellyplus1pm", 2, "shellyplus2pm"),
        ("casa", 9, "shellypro4pm"),
    ],
)
def test_a_model_that_is_not_known_is_simulated_as_one_with_as_many_channels(name: str, channels: int, prefix: str) -> None:
    assert simulated_model(name, channels).prefix == prefix


def test_every_simulated_model_is_known() -> None:
    assert all(model_of(prefix) for prefix in HARDWARE)
