import asyncio
import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Min
from django.utils import timezone
from websockets.sync.server import ServerConnection, serve

from accounts.models import User
from common.testing import await_true
from common.tests.mqtt.mosquitto import mosquitto, needed
from devices.models import Device
from devices.simulator import CircuitPlan, invented_macs, meter_build
from devices.simulator.online_fleet import NobodyConnected, OnlineFleet
from devices.simulator.registered import meters_of
from telemetry.models import Hour, Reading
from telemetry.partitions import horizon
from telemetry.rollup.run import rollup
from telemetry.services import rollup_rebuild
from telemetry.tests.processes import Process

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    posts: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.posts = posts  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "simulator.json"


def simulate(state: Path, *words: str, url: str = NOBODY) -> str:
    out = StringIO()
    call_command("simulate_shelly", *words, "--state", str(state), "--url", url, stdout=out)
    return out.getvalue()


def test_registered_meters_post_and_their_counters_go_on(server: ThreadingHTTPServer, state: Path, owner: User) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    words = ("--devices", "2", "--register-for", owner.email.upper(), "--interval", "1", "--count", "1")
    assert "registered" in simulate(state, *words, url=url)
    assert "registered" not in simulate(state, *words, url=url)
    assert sorted(Device.objects.values_list("hardware_id", flat=True)) == sorted(invented_macs(2, "1"))
    totals: dict[str, list[float]] = {}
    for body in server.posts:  # type: ignore[attr-defined]
        totals.setdefault(body["sys"]["mac"], []).append(body["switch:0"]["aenergy"]["total"])
    assert [len(numbers) for numbers in totals.values()] == [2, 2]
    assert all(first <= second < first + 50 for first, second in totals.values())
    assert set(json.loads(state.read_text())) == set(invented_macs(2, "1"))


def test_history_is_written_once_for_registered_meters(state: Path, meter: Device) -> None:
    out = simulate(state, "--mac", "A8:03:24:12:C3:D4", "--backfill", "1", "--once")
    written = re.search(r"history: (\d+) new readings", out)
    assert written
    assert int(written[1]) == Reading.objects.count()
    assert Reading.objects.count() in {1440, 1441}  # a day at full minutes, both its ends where it begins at one
    assert "a8032412c3d4" in json.loads(state.read_text())


def test_of_the_history_before_the_retention_there_are_buckets_as_if_its_readings_had_gone(
    settings: Any, state: Path, meter: Device
) -> None:
    settings.TELEMETRY_RETENTION_DAYS = 8
    out = simulate(state, "--mac", meter.hardware_id, "--backfill", "9", "--once")
    assert "100%" in out
    hours = list(Hour.objects.order_by("start"))
    kept = horizon(timezone.now())
    assert Reading.objects.aggregate(first=Min("time"))["first"] == kept - timedelta(hours=1)
    assert hours[0].start < kept - timedelta(hours=1)
    assert [hour.start - hours[0].start for hour in hours] == [timedelta(hours=n) for n in range(len(hours))]
    assert {hour.covered_s for hour in hours[1:-1]} == {3600}
    assert {(hour.samples, hour.recovered_wh, hour.flags) for hour in hours[1:-1]} == {(60, 0, 0)}
    (one,), _ = meters_of([meter.hardware_id], seed="1", states={})
    for hour in hours[1:-1]:
        start = hour.start.timestamp()
        assert hour.measured_wh == pytest.approx(one.curves[0].energy_wh(start, start + 3600), abs=0.01)
    rollup()
    rollup_rebuild()
    assert list(Hour.objects.order_by("start").values()) == [_values(hour) for hour in hours]


def _values(hour: Hour) -> dict[str, Any]:
    return {field.attname: getattr(hour, field.attname) for field in Hour._meta.concrete_fields}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--once"], "No reading was stored"),
        (["--mac", "shelly"], "is no MAC"),
        (["--devices", "0"], "nothing to simulate"),
        (["--register-for", "nadie@example.com"], "has no home"),
        (["--backfill", "1", "--devices", "1"], "No home has any"),
        (["--backfill", "400"], "TELEMETRY_BUCKET_RETENTION_DAYS"),
        (["--interval", "0"], "at least 1"),
        (["--once", "--url", "localhost"], "It takes an address"),
        (["--mqtt", "--script", "10", "--url", "localhost"], "It takes an address"),
        (["--mqtt", "--speed", "2"], "not with --mqtt"),
        (["--mqtt", "--count", "2"], "not with --mqtt"),
        (["--script", "10"], "go with --mqtt"),
        (["--mqtt", "--keys", "x"], "goes with posts and --websocket"),
        (["--websocket", "http://localhost"], "takes an address such as ws:"),
        (["--websocket", "ws://localhost:x/"], "takes an address such as ws:"),
        (["--websocket", "ws://127.0.0.1:1/ws"], "No server answers at 127.0.0.1:1 "),
        (["--model", "toaster"], "shellypro4pm"),
        (["--home", "nadie@example.com"], "has no home"),
    ],
)
def test_what_can_not_be_done_says_why(state: Path, db: None, words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("simulate_shelly", "--url", NOBODY, "--state", str(state), *words, stdout=StringIO())


def test_a_broken_state_file_is_named(state: Path, db: None) -> None:
    state.write_text("{")
    with pytest.raises(CommandError, match="delete it"):
        simulate(state, "--once")


def test_over_mqtt_registered_devices_connect_and_their_counters_go_on(
    server: ThreadingHTTPServer, state: Path, owner: User
) -> None:
    models = ("--model", "shellypro4pm", "--model", "shellypmminig3")
    words = ("--mqtt", "--devices", "2", *models, "--register-for", owner.email, "--once")
    out = simulate(state, *words)
    assert "2 of 2 devices are connected" in out
    assert re.search(r"stopped: \d\d+ messages sent, \d+ requests taken", out)
    assert set(Device.objects.values_list("model", "mqtt_prefix")) == {("shellypro4pm",) * 2, ("shellypmminig3",) * 2}
    first = json.loads(state.read_text())
    assert {mac: len(one["energy_wh"]) for mac, one in first.items()} == dict(zip(invented_macs(2, "1"), (4, 1), strict=True))
    simulate(state, "--home", owner.email, "--mqtt", "--once")
    simulate(state, "--home", owner.email, "--count", "1", url=f"http://127.0.0.1:{server.server_port}")
    later = json.loads(state.read_text())
    assert all(later[mac]["time"] > one["time"] for mac, one in first.items())
    assert all(
        0 <= b - a < 50 for mac, one in first.items() for a, b in zip(one["energy_wh"], later[mac]["energy_wh"], strict=True)
    )
    names = {"switch:0", "switch:1", "switch:2", "switch:3", "pm1:0", "sys"}
    assert {name for body in server.posts for name in body} == names  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [("", 1883, "There is no MQTT broker"), ("127.0.0.1", 1, "No MQTT broker answers at 127.0.0.1:1 ")],
)
def test_over_mqtt_without_a_broker_it_says_so(settings: Any, state: Path, db: None, host: str, port: int, message: str) -> None:
    settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT = host, port
    with pytest.raises(CommandError, match=message):
        simulate(state, "--mqtt")


@needed
def test_where_the_broker_refuses_every_device_it_ends_and_says_why(state: Path) -> None:
    with mosquitto("allow_anonymous false") as port:
        fleet = OnlineFleet("the broker", say=lambda line: None, save=lambda: None)
        meter = meter_build("020000000001", CircuitPlan(("kitchen",), ZoneInfo("America/Mexico_City")), seed="1")
        fleet.add(meter, mqtt={"enable": True, "server": f"127.0.0.1:{port}"})
        with pytest.raises(NobodyConnected, match="Not authorized"):
            asyncio.run(fleet.run(threading.Event(), first_connection_s=1))


@pytest.mark.django_db(transaction=True)
def test_over_mqtt_a_running_simulator_posts_the_apps_script_too_and_ends_at_sigterm(
    server: ThreadingHTTPServer, state: Path, owner: User, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    words = ("--mqtt", "--script", "1", "--url", url, "--devices", "1", "--register-for", owner.email, "--state", str(state))
    process = Process(tmp_path / "log", "manage.py", "simulate_shelly", *words)
    try:
        await_true("it is connected and posts", lambda: process.said("1 of 1 devices are connected") and server.posts)  # type: ignore[attr-defined]
        assert process.end() == 0
    finally:
        process.discard()
    body = server.posts[0]  # type: ignore[attr-defined]
    assert body["switch:0"].keys() == {"id", "apower", "voltage", "current", "output", "temperature"}
    assert body["sys"].keys() == {"mac"}
    assert re.search(r"stopped: \d+ messages sent, \d+ posts, ", (tmp_path / "log").read_text())
    assert state.exists()


def test_over_websockets_each_device_connects_with_its_own_key_which_is_never_shown(
    state: Path, tmp_path: Path, db: None
) -> None:
    paths: list[str] = []

    def serve_device(socket: ServerConnection) -> None:
        assert socket.request
        paths.append(socket.request.path)
        for _ in socket:
            pass

    macs = invented_macs(2, "1")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({macs[0].upper(): "key & one", macs[1]: "key-two"}))
    with serve(serve_device, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws/shelly?v=1"
        out = simulate(state, "--websocket", url, "--keys", str(keys), "--devices", "2", "--once")
    thread.join(10)
    assert "2 of 2 devices are connected" in out
    assert sorted(paths) == ["/ws/shelly?v=1&token=key+%26+one", "/ws/shelly?v=1&token=key-two"]
    assert "key-two" not in out
    assert set(json.loads(state.read_text())) == set(macs)
