"""The script of deploy/shelly, run as a Shelly runs it: by turns, with its API played by a few lines of JavaScript."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devices.shelly_setup import SCRIPT, script_for
from telemetry.shelly.status import parse_status

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no JavaScript here; CI installs it")
PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*.json"))
STORED, UNKNOWN = [{"code": 200, "body": '{"status": "received"}'}, 0], [{"code": 404, "body": ""}, 0]
AWAY = [None, -104]
# Reads a status and a list of steps: null lets a turn come, anything else answers the request that is under way. The script's own timer
# comes before the first step. Prints, for the start and for each step, the requests that it made.
PLAY = """
const { script, status, steps } = JSON.parse(require("fs").readFileSync(0));
let asked = [], waiting = null, timers = [];
const Shelly = {
  getDeviceInfo: () => ({ mac: status.sys.mac }),
  getComponentStatus: (key) => status[key] ?? null,
  call: (method, request, callback) => { asked.push([method, request]); waiting = callback; },
};
const Timer = { set: (ms, repeat, callback) => { timers.push({ ms, repeat, callback }); } };
new Function("Shelly", "Timer", "print", script)(Shelly, Timer, () => {});
const made = [];
const after = (action) => { asked = []; action(); made.push(asked); };
after(() => timers[0].callback());
for (const step of steps) after(step === null ? timers[1].callback : () => waiting(...step));
console.log(JSON.stringify({ made, timers }));
"""


def play(status: dict[str, Any], *steps: Any, script: str = SCRIPT.read_text()) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Return the requests that each step made, and the timers that were set."""
    told = json.dumps({"script": script, "status": status, "steps": steps})
    done = subprocess.run([str(NODE), "-e", PLAY], input=told, capture_output=True, text=True, check=True, timeout=30)
    played = json.loads(done.stdout)
    return played["made"], played["timers"]


def status_of(path: Path) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(path.read_text())["status"]
    return status


@pytest.mark.parametrize("path", PAYLOADS, ids=[path.stem for path in PAYLOADS])
def test_what_it_posts_says_all_that_the_device_measures(path: Path) -> None:
    status = status_of(path)
    ((method, request),), *_rest = play(status)[0]
    sent = {"method": "POST", "headers": {"Content-Type": "application/json"}}
    assert (method, {name: request[name] for name in sent}, request["url"][-21:]) == (
        "HTTP.Request",
        sent,
        "/api/v1/ingest/shelly",
    )
    assert parse_status(request["body"].encode(), max_power_w=30_000) == parse_status(
        json.dumps(status).encode(), max_power_w=30_000
    )
    assert len(request["body"]) < 8_000


def counts(*steps: Any) -> list[int]:
    return [len(asked) for asked in play(status_of(PAYLOADS[0]), *steps)[0]]


def test_it_posts_each_turn_while_readings_are_taken_and_one_request_at_a_time() -> None:
    assert counts(None, STORED, None, None, STORED, None) == [1, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("failure", [UNKNOWN, AWAY, [{"code": 503, "body": ""}, 0]])
def test_after_failures_it_asks_more_rarely_and_after_a_success_each_turn_again(failure: Any) -> None:
    left_out = (1, 3, 6, 6)
    steps = [step for pause in left_out for step in [failure, *[None] * (pause + 1)]]
    made = [count for pause in left_out for count in [*[0] * (pause + 1), 1]]
    assert counts(*steps, STORED, None) == [1, *made, 0, 1]


def test_a_device_begins_within_ten_seconds_of_its_boot_and_goes_on_every_ten() -> None:
    first, then = play(status_of(PAYLOADS[0]))[1]
    assert (0 <= first["ms"] < 10_000, first["repeat"]) == (True, False)
    assert (then["ms"], then["repeat"]) == (10_000, True)


def test_a_device_whose_clock_is_not_set_posts_without_it() -> None:
    status = status_of(PAYLOADS[0])
    status["sys"]["unixtime"] = None
    ((_method, request),) = play(status)[0][0]
    assert json.loads(request["body"])["sys"] == {"mac": status["sys"]["mac"], "unixtime": None}
    assert parse_status(request["body"].encode(), max_power_w=30_000).samples[0].time is None


def test_the_script_that_a_home_is_given_posts_to_its_server_with_the_devices_key() -> None:
    script = script_for({"URL": "https://eco.example.com/api/v1/ingest/shelly", "KEY": 'con "comillas" y \\1'})
    ((_method, request),) = play(status_of(PAYLOADS[0]), script=script)[0][0]
    assert request["url"] == "https://eco.example.com/api/v1/ingest/shelly"
    assert request["headers"]["X-Device-Key"] == 'con "comillas" y \\1'
