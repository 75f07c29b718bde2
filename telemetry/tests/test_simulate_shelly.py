import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from devices.models import Device
from devices.simulator import invented_macs
from telemetry.models import Reading

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
    assert Reading.objects.count() in {2880, 2881}  # a day at full half minutes, both its ends where it begins at one
    assert "a8032412c3d4" in json.loads(state.read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--once"], "No reading was stored"),
        (["--mac", "shelly"], "is no MAC"),
        (["--devices", "0"], "nothing to simulate"),
        (["--register-for", "nadie@example.com"], "has no home"),
        (["--backfill", "1", "--devices", "1"], "No home has any"),
        (["--backfill", "400"], "TELEMETRY_RETENTION_DAYS"),
        (["--interval", "0"], "at least 1"),
        (["--once", "--url", "localhost"], "It takes an address"),
    ],
)
def test_what_can_not_be_done_says_why(state: Path, db: None, words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("simulate_shelly", "--url", NOBODY, "--state", str(state), *words, stdout=StringIO())


def test_a_broken_state_file_is_named(state: Path, db: None) -> None:
    state.write_text("{")
    with pytest.raises(CommandError, match="delete it"):
        simulate(state, "--once")
