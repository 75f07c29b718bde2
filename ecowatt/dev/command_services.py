"""Who gives a command its services: the environment, a running `manage.py up`, or embedded ones for as long as it takes."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecowatt import env
from ecowatt.dev.embedded_services import EmbeddedError, EmbeddedServices
from ecowatt.dev.private_files import local_key, write_private
from ecowatt.env_files import BROKER, LOCAL, POSTGRES, REDIS, RUN_ENV, VARIABLES, is_up, missing_services, read_environment

NEEDS_NONE = {"help", "version", "--version", "-h", "--help", "makemessages", "compilemessages", "collectstatic", "findstatic"}
UNUSED = {VARIABLES[POSTGRES]: "postgresql:///ecowatt", VARIABLES[REDIS]: "redis://127.0.0.1:6379/0"}
RUNNING = "EcoWatt is running from this checkout already. Stop it first (Ctrl-C in its terminal)."


@contextlib.contextmanager
def command_services(arguments: Sequence[str], folder: Path = LOCAL) -> Iterator[None]:
    """Give a management command its services. `up` also writes their addresses to `run.env`, for commands beside it.

    Raises EmbeddedError.
    """
    if not arguments or NEEDS_NONE & set(arguments):
        for name, value in {**UNUSED, "KEY_SECRET": secrets.token_urlsafe(48)}.items():
            os.environ.setdefault(name, value)
        yield
        return
    wants_all = arguments[0] == "up"
    if wants_all and is_up(folder):
        raise EmbeddedError(RUNNING)
    # Commands other than `up` do not speak MQTT without a broker of the operator's.
    if missing := [name for name in missing_services() if wants_all or name != BROKER]:
        with _started(folder, missing, wants_all=wants_all):
            yield
    else:
        yield


@contextlib.contextmanager
def _started(folder: Path, missing: list[str], *, wants_all: bool) -> Iterator[None]:
    """Start the missing services, or take those of an `up` that has come meanwhile."""
    services = EmbeddedServices(folder, broker_port=env.port("MQTT_BROKER_PORT", 1883) if wants_all else None)
    if not services.lock(give_up=lambda: is_up(folder)):
        if wants_all:
            raise EmbeddedError(RUNNING)
        read_environment(folder)
        yield
        return
    try:
        os.environ.update(services.start(missing))
        os.environ.setdefault("KEY_SECRET", local_key(folder))
        with _published(folder, services.environment) if wants_all else contextlib.nullcontext():
            yield
    finally:
        services.stop()


@contextlib.contextmanager
def _published(folder: Path, addresses: dict[str, str]) -> Iterator[None]:
    """Keep the addresses in `run.env`, locked, for as long as they hold."""
    path = folder / RUN_ENV
    lines = {**addresses, "KEY_SECRET": os.environ["KEY_SECRET"]}
    write_private(path, "".join(f"{name}={value}\n" for name, value in lines.items()))
    with path.open() as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
