"""`manage.py up` from the outside: as the person who tries it sees it, and their phone."""

import asyncio
import json
import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from common.testing import free_port
from devices.tests.simulator.mqtt_listener import Broker, Listener
from ecowatt.dev.management.commands.up import Command
from ecowatt.tests.dev.manage_process import Up, await_none_left, left, run, up

DAYS = ("--history-days", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that the tests of this module share; each leaves it stopped."""
    return tmp_path_factory.mktemp("up") / "local"


@pytest.fixture(autouse=True)
def _nothing_stays(folder: Path) -> Iterator[None]:
    yield
    assert await_none_left(folder) == []


def login(running: Up) -> httpx.Client:
    (password,) = re.findall(r"demo@example\.com   password (\S+)", "".join(running.said))
    phone = httpx.Client(base_url=f"http://127.0.0.1:{running.port}/api/v1", timeout=60)
    answer = phone.post("/auth/login", json={"user_email": "demo@example.com", "user_password": password})
    assert answer.status_code == 200, answer.text
    phone.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return phone


def live_frames(running: Up, phone: httpx.Client, device_id: int) -> connect:
    token = phone.headers["Authorization"].removeprefix("Bearer ")
    return connect(f"ws://127.0.0.1:{running.port}/ws/live/{device_id}?token={token}", close_timeout=1)


async def nothing_drawn(running: Up, phone: httpx.Client, device_id: int) -> None:
    """Wait for a frame that says so."""
    async with live_frames(running, phone, device_id) as live:
        while json.loads(await live.recv())["watts"] != 0:
            pass


async def two_frames(running: Up, phone: httpx.Client, device_id: int) -> list[dict[str, Any]]:
    async with live_frames(running, phone, device_id) as live:
        return [json.loads(await asyncio.wait_for(live.recv(), 20)) for _ in range(2)]


def broker_of(folder: Path) -> Listener:
    """A plain client on the broker of the running system."""
    addresses = dict(line.split("=", 1) for line in (folder / "run.env").read_text().splitlines())
    return Listener(Broker(addresses["MQTT_BROKER_HOST"], int(addresses["MQTT_BROKER_PORT"])), "asker", "asker/#")


def test_one_command_runs_the_whole_system_and_ctrl_c_ends_all_of_it(folder: Path) -> None:
    with up(folder, *DAYS) as running:
        phone = login(running)
        devices = phone.get("/devices/").json()
        assert [device["dev_name"] for device in devices] == ["Refrigerador", "Recámara y patio", "Luces y contactos"]
        first, second = asyncio.run(two_frames(running, phone, devices[0]["dev_id"]))
        assert second["time"] > first["time"]
        with broker_of(folder) as listener:
            prefix = f"shellyplus1pm-{devices[0]['dev_hardware_id'].lower()}"
            assert listener.ask(prefix, "Switch.Set", id=0, on=False) == {"was_on": True}
            asyncio.run(asyncio.wait_for(nothing_drawn(running, phone, devices[0]["dev_id"]), 20))
            assert listener.ask(prefix, "Switch.Set", id=0, on=True) == {"was_on": False}
        summary = phone.get("/dashboard/summary")
        assert summary.status_code == 200
        assert summary.json()["current_tariff"] == "1d"
        assert summary.json()["kwh_measured_cycle"] > 1
        bill = phone.get("/bills").json()[0]
        assert phone.get(f"/bills/{bill['id']}/reconciliation").json()["suggestions"] == []
        hours = phone.get("/history/graph").json()["data_points"]
        assert sum(hour["value"] is not None for hour in hours) >= 23

        addresses = folder / "run.env"
        assert stat.S_IMODE(addresses.stat().st_mode) == 0o600
        code, said = run(
            folder, "shell", "-v", "0", "-c", "from accounts.models import User; print(User.objects.count(), 'users')"
        )
        assert (code, said.strip()) == (0, "2 users")
        code, said = run(folder, "up")
        assert code == 1
        assert "running from this checkout already" in said

        assert running.stop(signal.SIGINT) == 0
        assert running.said[-1] == "• stopped\n"
    assert left(folder) == []
    assert not addresses.exists()


def test_killed_it_leaves_nothing_behind_and_the_next_run_keeps_its_data(folder: Path) -> None:
    with up(folder, *DAYS, until="devices connect to") as running:
        before = json.loads((folder / "logins.json").read_text())
        running.stop(signal.SIGKILL)
        assert await_none_left(folder) == []
    with up(folder, *DAYS, until="started (pid") as running:  # told to stop while its processes start
        assert "history" not in "".join(running.said)
        assert json.loads((folder / "logins.json").read_text()) == before
        assert running.stop(signal.SIGTERM) == 0, running.said
    assert "Traceback" not in "".join(running.said)
    assert left(folder) == []


@pytest.mark.parametrize(("until", "end"), [("loading CFE prices", signal.SIGINT), ("devices connect to", signal.SIGHUP)])
def test_told_to_stop_before_everything_answers_it_ends_in_order(folder: Path, until: str, end: signal.Signals) -> None:
    with up(folder, "--history-days", "0", until=until) as running:
        assert running.stop(end) == 0, running.said
    assert "Traceback" not in "".join(running.said)
    assert left(folder) == []


@pytest.mark.parametrize("setting", ["WEB_PORT", "MQTT_BROKER_PORT"])
def test_a_port_in_use_is_named_with_the_setting_to_change(folder: Path, setting: str) -> None:
    ports = {"WEB_PORT": free_port(), "MQTT_BROKER_PORT": free_port()}
    with socket.create_server(("127.0.0.1", ports[setting])):
        code, said = run(folder, "up", **ports)
    assert code == 1
    assert f"port {ports[setting]} is in use. Set {setting} to another one" in said
    assert "Traceback" not in said
    assert left(folder) == []


def test_an_address_that_nobody_can_listen_on_names_its_settings(folder: Path) -> None:
    code, said = run(folder, "up", WEB_HOST="192.0.2.1", WEB_PORT=free_port(), MQTT_BROKER_PORT=free_port())
    assert code == 1
    assert "Change WEB_HOST or WEB_PORT." in said


def test_a_new_demo_home_has_60_days_of_history_or_as_many_as_are_kept(settings: Any) -> None:
    for kept, days in ((397, 60), (31, 31)):
        settings.TELEMETRY_BUCKET_RETENTION_DAYS = kept
        assert Command().create_parser("manage.py", "up").parse_args([]).history_days == days


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_in_a_destructor_is_noted_before_anything_starts() -> None:
    command = Command()

    class Interrupted:
        def __del__(self) -> None:
            command.interrupt(signal.SIGINT, None)

    Interrupted()  # ends here, and what it raises is printed and forgotten
    with pytest.raises(KeyboardInterrupt):
        command.raise_if_interrupted()
