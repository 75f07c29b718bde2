"""Frames of a device, from what is known of its channels."""

from datetime import UTC, datetime

import orjson

from telemetry.live.frames import CHANNEL_LIFE_S, LiveChannels, LiveReading, frame

AT = datetime(2026, 11, 23, 13, 58, 1, 250_000, tzinfo=UTC).timestamp()


def test_a_frame_sums_power_and_current_and_takes_the_first_voltage() -> None:
    channels = {
        2: LiveReading(2, AT - 9, -0.2, 126.0, None),
        0: LiveReading(0, AT, 0.1, None, 0.1),
        1: LiveReading(1, AT, 0.2, 127.5, 0.2),
    }
    assert orjson.loads(frame(channels, {1: True, 2: False}, AT)) == {
        "watts": 0.1,
        "volts": 127.5,
        "amps": 0.3,
        "time": "2026-11-23T13:58:01.250+00:00",
        "channels": [
            {"channel": 0, "watts": 0.1, "volts": 0.0, "amps": 0.1, "output": None, "time": "2026-11-23T13:58:01.250+00:00"},
            {"channel": 1, "watts": 0.2, "volts": 127.5, "amps": 0.2, "output": True, "time": "2026-11-23T13:58:01.250+00:00"},
            {"channel": 2, "watts": -0.2, "volts": 126.0, "amps": 0.0, "output": False, "time": "2026-11-23T13:57:52.250+00:00"},
        ],
    }


def test_what_nobody_knows_is_a_number_all_the_same() -> None:
    only = orjson.loads(frame({0: LiveReading(0, AT, 5.0, None, None)}, {}, AT))
    assert (only["watts"], only["volts"], only["amps"]) == (5.0, 0.0, 0.0)


def watts(state: LiveChannels, at: float) -> float:
    return float(orjson.loads(state.frame(at) or "")["watts"])


def outputs(state: LiveChannels, at: float) -> dict[int, bool | None]:
    return {one["channel"]: one["output"] for one in orjson.loads(state.frame(at) or "")["channels"]}


def test_a_relay_is_what_was_said_of_it_last_and_gives_no_frame_before_a_power_is_known() -> None:
    state = LiveChannels()
    state.learn([], {0: False})
    assert state.frame(AT) is None
    state.recall([LiveReading(0, AT, 5.0, None, None), LiveReading(1, AT, 7.0, None, None)], {0: True, 1: True})
    assert outputs(state, AT) == {0: False, 1: True}
    state.learn([LiveReading(0, AT + 1, 6.0, None, None)])
    assert outputs(state, AT + 1) == {0: False, 1: True}
    assert state.frame(AT + 2 * CHANNEL_LIFE_S) is None
    assert state.knows([], {0: False})
    assert not state.knows([], {0: True})


def test_a_channel_that_is_long_unheard_is_in_no_sum() -> None:
    state = LiveChannels()
    state.learn([LiveReading(0, AT, 5.0, None, None), LiveReading(1, AT, 7.0, None, None)])
    assert watts(state, AT + CHANNEL_LIFE_S) == 12.0
    state.learn([LiveReading(0, AT + CHANNEL_LIFE_S + 1, 6.0, None, None)])
    assert watts(state, state.newest) == 6.0


def test_what_is_stored_does_not_replace_what_was_heard_since() -> None:
    state = LiveChannels()
    assert state.newest == 0.0
    state.learn([LiveReading(0, AT, 5.0, None, None)])
    state.recall([LiveReading(0, AT - 1, 50.0, None, None), LiveReading(1, AT + 1, 7.0, None, None)])
    assert (watts(state, AT), state.newest) == (12.0, AT + 1)
    state.recall([LiveReading(0, AT, 50.0, None, None)])
    assert watts(state, AT) == 12.0


def test_a_message_is_known_that_says_what_is_stored_or_was_before_it() -> None:
    state = LiveChannels()
    state.recall([LiveReading(0, AT, 5.4321, 127.0, None)])
    assert state.knows([LiveReading(0, AT, 5.43210001, 127.0, None)])
    assert state.knows([LiveReading(0, AT - 1, 50.0, None, None)])
    assert not state.knows([LiveReading(0, AT, 50.0, None, None)])  # devices tell their time in seconds
    assert not state.knows([LiveReading(0, AT + 1, 5.4321, 127.0, None)])
    assert not state.knows([LiveReading(0, AT, 5.0, None, None), LiveReading(2, AT, 5.0, None, None)])
