"""What a simulated Shelly says is read and merged into what its meter measures, whatever happens to it."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.simulator.shelly.hardware import HARDWARE
from devices.tests.simulator.shelly.devices_to_test import NOON, ask, device, run
from telemetry.shelly.merge import NO_STATE, DeviceState, merge, time_of
from telemetry.shelly.mqtt_messages import parse_message
from telemetry.shelly.status import parse_status

MAX_POWER_W = 20_000.0


@pytest.mark.parametrize("model", HARDWARE)
def test_every_models_full_status_makes_a_reading_of_each_channel(model: str) -> None:
    one = device(model)
    status = parse_status(orjson.dumps(one.status(NOON)), max_power_w=MAX_POWER_W)
    assert status.mac == one.meter.mac
    measured = one.meter.measured(NOON)
    assert [sample.channel for sample in status.samples] == [channel.channel for channel in measured]
    for sample, channel in zip(status.samples, measured, strict=True):
        assert (sample.power_w, sample.voltage_v, sample.current_a) == (channel.power_w, channel.voltage_v, channel.current_a)
        assert sample.energy_wh == pytest.approx(channel.drawn.total_wh, abs=0.3)  # of a meter that counts pulses, one of them
        assert (sample.returned_wh or 0) == pytest.approx(channel.returned.total_wh, abs=0.01)


def merged(state: DeviceState, one: Any, frames: list[Any], at: float) -> tuple[DeviceState, list[Any]]:
    """Merge a device's frames, which arrive at a time, into its state; the samples that they make."""
    samples: list[Any] = []
    for notification in frames:
        frame = orjson.dumps(notification.frame(one.id, f"{one.id}/events"))
        message = parse_message(f"{one.id}/events/rpc", frame, at)
        assert message.mac == one.meter.mac
        time, is_own = time_of(message, state)
        assert is_own
        state, found = merge(state, message, time, is_own=is_own, max_power_w=MAX_POWER_W)
        samples += found
    return state, samples


@given(
    st.sampled_from(["shellyplus1pm", "shelly2pmg3", "shellyproem50", "shellypro3em"]),
    st.lists(st.tuples(st.integers(1, 130), st.sampled_from(["on", "off", "restart", "nothing"])), min_size=1, max_size=8),
)
@settings(max_examples=25)
def test_the_readings_of_its_messages_have_its_meters_counters(model: str, steps: list[tuple[int, str]]) -> None:
    one, now = device(model, mqtt={"enable": True}), NOON
    one.connection_made("mqtt", now)
    state, samples = merged(NO_STATE, one, one.take_notifications(), now)
    for pause, action in steps:
        if action in {"on", "off"} and model != "shellypro3em":
            ask(one, "Switch.Set", now, id=0, on=action == "on")
        elif action == "restart":
            one.restart(now)
            one.connection_made("mqtt", now)
        frames = [*one.take_notifications(), *(notification for _, notification in run(one, now, now + pause))]
        now += pause
        state, found = merged(state, one, frames, now)
        samples += found
    one.notify_full(now)
    _, last = merged(state, one, one.take_notifications(), now)
    newest = {sample.channel: sample for sample in last}  # minutes that nobody notified may come before it
    for channel in one.meter.measured(now):
        energy_wh = newest[channel.channel].energy_wh
        counted = [each.energy_wh for each in samples if each.channel == channel.channel and each.energy_wh is not None]
        assert counted, "each channel's counter was read"
        assert max(counted) <= energy_wh + 1.01, "but for the rounding of a restart no counter falls"
        assert energy_wh == pytest.approx(channel.drawn.total_wh, abs=0.01)
