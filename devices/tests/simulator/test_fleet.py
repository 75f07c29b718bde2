import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from common.testing import await_true
from devices.simulator import CircuitPlan, Clock, Fleet, Meter, invented_macs, meter_build

ZONE = ZoneInfo("America/Mexico_City")


class Handler(BaseHTTPRequestHandler):
    """What the server does is up to the test: `answers` gives the status of each post."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.append((self.path, body))
        self.server.keys.append(self.headers["X-Device-Key"])
        status = self.server.answers(body)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.close_connection = self.server.hangs_up

    def log_message(self, *words: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[str | None] = []
        self.answers: Callable[[dict[str, Any]], int] = lambda body: 200
        self.connections, self.hangs_up = 0, False
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


def meters(count: int, **states: Any) -> list[Meter]:
    return [meter_build(mac, CircuitPlan(("kitchen",), ZONE), seed="1", **states) for mac in invented_macs(count, "1")]


def fleet(url: str, members: list[Meter], lines: list[str] | None = None, **options: Any) -> Fleet:
    settings: dict[str, Any] = {"interval_s": 0.02, "clock": Clock(), "save": lambda: None, "first_pause_s": 0.01} | options
    return Fleet(members, url=url, say=(lines if lines is not None else []).append, **settings)


def test_every_meter_posts_in_every_round_over_open_connections(server: Server) -> None:
    counts = fleet(server.url, meters(10), connections=3).run(threading.Event(), rounds=4)
    assert (counts.stored, counts.sent) == (40, 40)
    assert {path for path, _ in server.posts} == {"/api/v1/ingest/shelly"}
    macs = [body["sys"]["mac"].lower() for _, body in server.posts]
    assert sorted(macs) == sorted(invented_macs(10, "1") * 4)
    assert server.connections == 3


def test_a_meter_presents_its_own_key_if_it_has_one(server: Server) -> None:
    first, second = invented_macs(2, "1")
    fleet(server.url, meters(2), keys={first: "de-la-primera"}).run(threading.Event(), rounds=1)
    sent = dict(zip((body["sys"]["mac"].lower() for _path, body in server.posts), server.keys, strict=True))
    assert sent == {first: "de-la-primera", second: None}


def test_a_base_path_before_the_apis_is_kept(server: Server) -> None:
    fleet(f"{server.url}/ecowatt/", meters(1)).run(threading.Event(), rounds=1)
    assert server.posts[0][0] == "/ecowatt/api/v1/ingest/shelly"


def test_a_connection_that_the_server_closed_is_opened_again_unnoticed(server: Server) -> None:
    server.hangs_up = True
    lines: list[str] = []
    counts = fleet(server.url, meters(1), lines).run(threading.Event(), rounds=5)
    assert (counts.stored, counts.failed, lines) == (5, 0, [])


def test_refusals_are_counted_by_status_and_explained(server: Server) -> None:
    answers = iter([404, 409, 422, 200])
    server.answers = lambda body: next(answers)
    counts = fleet(server.url, meters(1)).run(threading.Event(), rounds=4)
    assert (counts.stored, counts.failed) == (1, 0)
    assert "1 × 404 (no home has the device, or its key is wrong or missing), 1 × 409 (deactivated), 1 × 422" in str(counts)


def test_a_server_that_is_away_is_told_once_and_found_again_without_help(server: Server) -> None:
    url, port = server.url, server.server_port
    server.shutdown()
    server.server_close()
    lines: list[str] = []
    stop, result = threading.Event(), []
    run = threading.Thread(target=lambda: result.append(fleet(url, meters(2), lines).run(stop)))
    run.start()
    await_true("the failure is reported", lambda: lines)
    back = Server(port)
    try:
        await_true("the meters post again", lambda: len(back.posts) > 4)
    finally:
        stop.set()
        run.join(10)
        back.shutdown()
        back.server_close()
    assert "is away" in lines[0]
    assert lines[-1] == f"{url} is back"
    assert result[0].failed >= 1
    assert result[0].stored >= 4


def test_a_server_that_can_not_store_counts_as_away(server: Server) -> None:
    server.answers = lambda body: 503
    lines: list[str] = []
    counts = fleet(server.url, meters(1), lines).run(threading.Event(), rounds=3)
    assert (counts.stored, counts.failed) == (0, 3)
    assert lines == [f"{server.url} is away (it answers 503); trying again"]


def test_with_nobody_there_a_limited_run_ends_and_has_stored_nothing() -> None:
    counts = fleet("http://127.0.0.1:1", meters(3)).run(threading.Event(), rounds=2)
    assert (counts.stored, counts.failed) == (0, 6)


def test_stopping_keeps_the_state_and_counters_go_on_after_a_restart(server: Server) -> None:
    saved: dict[str, Any] = {}
    first = meters(2)
    stop = threading.Event()
    keep = lambda: saved.update((one.mac, one.state) for one in first)  # noqa: E731
    run = threading.Thread(target=lambda: fleet(server.url, first, save=keep).run(stop))
    run.start()
    await_true("each meter has posted", lambda: len(server.posts) >= 6)
    stop.set()
    run.join(10)
    assert not run.is_alive()
    before = {body["sys"]["mac"].lower(): body["switch:0"]["aenergy"]["total"] for _, body in server.posts}
    assert set(saved) == set(before)
    server.posts.clear()
    later = Clock(wall=lambda: time.time() + 3600)
    again = [meter_build(mac, CircuitPlan(("kitchen",), ZONE), seed="1", state=saved[mac]) for mac in saved]
    fleet(server.url, again, clock=later).run(threading.Event(), rounds=1)
    for _, body in server.posts:
        assert 5 < body["switch:0"]["aenergy"]["total"] - before[body["sys"]["mac"].lower()] < 1500


def test_fast_time_is_what_the_posts_carry_and_it_never_passes_now(server: Server) -> None:
    began = time.time()
    clock = Clock(speed=1e6, start=began - 5000)
    fleet(server.url, meters(1), clock=clock).run(threading.Event(), rounds=5)
    times = [body["sys"]["unixtime"] for _, body in server.posts]
    assert times == sorted(times)
    assert times[-1] > times[0] or times[0] >= int(began)
    assert times[-1] <= time.time()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        fleet(url, meters(1))


def test_an_empty_fleet_ends_at_once() -> None:
    assert fleet("http://127.0.0.1:1", []).run(threading.Event(), rounds=1).sent == 0


def test_a_report_tells_the_last_minute_and_the_lag_of_device_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.simulator.fleet.REPORT_EVERY_S", 0.0)
    lines: list[str] = []
    fleet(server.url, meters(1), lines, clock=Clock(start=time.time() - 7200)).run(threading.Event(), rounds=2)
    assert any(line.startswith("last minute: ") and line.endswith("device time 2.0 h behind") for line in lines)
