"""Who gives a command its services: the environment, a running `manage.py up`, or embedded ones for as long as it takes."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from environ import Env

from ecowatt import env
from ecowatt.dev.embedded_services import (
    BROKER,
    LOCAL,
    ROOT,
    VARIABLES,
    EmbeddedError,
    EmbeddedServices,
    local_key,
    write_private,
)

RUN_ENV = "run.env"
NEEDS_NONE = {"help", "version", "--version", "-h", "--help", "makemessages", "compilemessages", "collectstatic", "findstatic"}
UNUSED = {"URL_DATABASE_SQL": "postgresql:///ecowatt", "URL_DATABASE_REDIS": "redis://127.0.0.1:6379/0"}
RUNNING = "EcoWatt is running from this checkout already. Stop it first (Ctrl-C in its terminal)."


def read_environment(folder: Path = LOCAL) -> None:
    """Complete the environment from `.env`, then from a running `manage.py up`; what is set already stays.

    ECOWATT_DOTENV names another file than `.env`, or is `off` for neither of the two: tests must not depend on the machine, nor touch
    its data. Raises EmbeddedError where it names no file.
    """
    dotenv = os.environ.get("ECOWATT_DOTENV")
    if dotenv == "off":
        return
    if dotenv and not Path(dotenv).is_file():
        raise EmbeddedError(f"ECOWATT_DOTENV names {dotenv}, which is no file. It takes a file of settings, or off.")
    file = Path(dotenv or ROOT / ".env")
    if file.is_file():
        Env.read_env(file)
    if _missing() and _is_up(folder):
        Env.read_env(folder / RUN_ENV)


@contextlib.contextmanager
def provided_services(arguments: Sequence[str], folder: Path = LOCAL) -> Iterator[None]:
    """Give a management command its services. `up` also writes their addresses to `run.env`, for commands beside it.

    Raises EmbeddedError.
    """
    read_environment(folder)
    if not arguments or NEEDS_NONE & set(arguments):
        for name, value in {**UNUSED, "KEY_SECRET": secrets.token_urlsafe(48)}.items():
            os.environ.setdefault(name, value)
        yield
        return
    is_up = arguments[0] == "up"
    if is_up and _is_up(folder):
        raise EmbeddedError(RUNNING)
    if missing := _missing() if is_up else _missing_without_broker():
        with _started(folder, missing, is_up=is_up):
            yield
    else:
        yield


@contextlib.contextmanager
def _started(folder: Path, missing: list[str], *, is_up: bool) -> Iterator[None]:
    """Start the missing services, or take those of an `up` that has come meanwhile."""
    services = EmbeddedServices(folder, broker_port=env.port("MQTT_BROKER_PORT", 1883) if is_up else None)
    if not services.lock(give_up=lambda: _is_up(folder)):
        if is_up:
            raise EmbeddedError(RUNNING)
        read_environment(folder)
        yield
        return
    try:
        os.environ.update(services.start(missing))
        os.environ.setdefault("KEY_SECRET", local_key(folder))
        with _run_env(folder, services.environment) if is_up else contextlib.nullcontext():
            yield
    finally:
        services.stop()


def _missing() -> list[str]:
    return [name for name, variable in VARIABLES.items() if not os.environ.get(variable)]


def _missing_without_broker() -> list[str]:
    """Commands other than `up` do not speak MQTT without a broker of the operator's."""
    return [name for name in _missing() if name != BROKER]


def _is_up(folder: Path) -> bool:
    """Tell whether a living `up` stands behind the addresses: it holds a lock on their file."""
    try:
        with (folder / RUN_ENV).open() as addresses:
            fcntl.flock(addresses, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def _run_env(folder: Path, addresses: dict[str, str]) -> Iterator[None]:
    """Publish the addresses for as long as they hold."""
    path = folder / RUN_ENV
    lines = {**addresses, "KEY_SECRET": os.environ["KEY_SECRET"]}
    with _locked_file(path, "".join(f"{name}={value}\n" for name, value in lines.items())):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked_file(path: Path, content: str) -> Iterator[IO[str]]:
    write_private(path, content)
    with path.open() as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        yield kept
