"""Commands that find no services, and make their own for as long as they run."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from environ import Env

from ecowatt.dev.embedded_services import EmbeddedServices, port_is_free
from ecowatt.env_files import BROKER, REDIS, read_environment
from ecowatt.tests.dev.manage_process import left, run, start

ASK = (
    "shell",
    "-v",
    "0",
    "-c",
    "from django.db import connection as c; c.ensure_connection(); print(c.connection.info.user, 'answers')",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is awkward: long for a socket, with spaces, commas and signs that mean something in an address."""
    return tmp_path / ("una carpeta larga, con 100% de espacios " * 3).strip() / "local"


def test_two_commands_at_once_take_turns_and_stop_what_they_started(folder: Path) -> None:
    half_made = folder / "postgres.new" / "base"  # what an interrupted first start leaves
    half_made.mkdir(parents=True)
    both = [start(folder, *ASK), start(folder, *ASK)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all("ecowatt answers" in text for text in said)
    assert sum("Waiting for another command" in text for text in said) == 1
    assert left(folder) == []


def test_addresses_of_a_run_that_is_over_are_not_used(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "run.env").write_text(
        "URL_DATABASE_SQL=postgresql:///gone?host=/nowhere\nURL_DATABASE_REDIS=redis://127.0.0.1:9/0\n"
    )
    code, said = run(folder, *ASK)
    assert code == 0, said
    assert "ecowatt answers" in said


def test_a_command_that_needs_no_service_starts_none(folder: Path) -> None:
    code, said = run(folder, "help")
    assert code == 0
    assert "load_cfe_prices" in said
    assert not (folder / "postgres").exists()


def test_a_bad_setting_is_one_line_and_no_traceback(folder: Path) -> None:
    code, said = run(
        folder, "check", URL_DATABASE_SQL="mysql://u:geheim@db/x", URL_DATABASE_REDIS="redis://localhost", KEY_SECRET="k" * 50
    )
    assert code == 1
    assert said.startswith("manage.py: URL_DATABASE_SQL can't be read. It takes an address such as postgresql://")
    assert said.count("\n") == 1
    assert "geheim" not in said


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of the test's own."""
    own: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", own)
    monkeypatch.setattr(Env, "ENVIRON", own)
    return own


def test_a_file_of_settings_completes_the_environment(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "settings.env").write_text("# ours\nWEB_PORT=8123\nPROXY_COUNT='1'\n")
    variables.update(ECOWATT_DOTENV=str(tmp_path / "settings.env"), WEB_PORT="9000")
    read_environment(tmp_path)
    assert (variables["WEB_PORT"], variables["PROXY_COUNT"]) == ("9000", "1")


def test_a_file_of_settings_that_is_not_there_is_named(tmp_path: Path, variables: dict[str, str]) -> None:
    variables["ECOWATT_DOTENV"] = str(tmp_path / "missing.env")
    with pytest.raises(ImproperlyConfigured, match=r"ECOWATT_DOTENV names .*missing\.env, which is no file"):
        read_environment(tmp_path)


def test_redis_and_the_broker_listen_on_one_loopback_address_and_redis_asks_for_its_password(tmp_path: Path) -> None:
    with EmbeddedServices(tmp_path / "local") as services:
        found = services.start([BROKER, REDIS])
        address = urlsplit(found["URL_DATABASE_REDIS"])
        for port in (int(found["MQTT_BROKER_PORT"]), address.port):
            assert not port_is_free("127.0.0.1", port)
            with pytest.raises(ConnectionRefusedError):  # as every other address of the machine
                socket.create_connection(("127.0.0.2", port), 1)
        with redis.Redis(port=address.port) as anybody, pytest.raises(redis.AuthenticationError):
            anybody.ping()


def test_the_embedded_broker_listens_and_ends_with_its_folder(tmp_path: Path) -> None:
    with EmbeddedServices(tmp_path / "local") as services:
        address = services.start([BROKER])
        port = int(address["MQTT_BROKER_PORT"])
        assert not port_is_free(address["MQTT_BROKER_HOST"], port)
    assert port_is_free("127.0.0.1", port)
