"""What completes the environment: the file `.env`, then the addresses that a running `manage.py up` publishes."""

import fcntl
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environ import Env

ROOT = Path(__file__).resolve().parents[1]
# Data, logs and addresses of what runs on this machine; another folder is another installation.
LOCAL = Path(os.environ.get("ECOWATT_LOCAL") or ROOT / ".local").resolve()
RUN_ENV = "run.env"
POSTGRES, REDIS, BROKER = "PostgreSQL", "Redis", "MQTT broker"
VARIABLES = {POSTGRES: "URL_DATABASE_SQL", REDIS: "URL_DATABASE_REDIS", BROKER: "MQTT_BROKER_HOST"}


def read_environment(folder: Path = LOCAL) -> None:
    """Complete the environment; what is set already stays.

    ECOWATT_DOTENV names another file than `.env`, or is `off` for neither of the two: tests must not depend on the machine, nor touch
    its data. Raises ImproperlyConfigured where it names no file.
    """
    dotenv = os.environ.get("ECOWATT_DOTENV")
    if dotenv == "off":
        return
    if dotenv and not Path(dotenv).is_file():
        raise ImproperlyConfigured(f"ECOWATT_DOTENV names {dotenv}, which is no file. It takes a file of settings, or off.")
    file = Path(dotenv or ROOT / ".env")
    if file.is_file():
        Env.read_env(file)
    if missing_services() and is_up(folder):
        Env.read_env(folder / RUN_ENV)


def missing_services() -> list[str]:
    """Return the keys of VARIABLES whose address the environment does not name."""
    return [name for name, variable in VARIABLES.items() if not os.environ.get(variable)]


def is_up(folder: Path = LOCAL) -> bool:
    """Return whether a living `up` stands behind the addresses: it holds a lock on their file."""
    try:
        with (folder / RUN_ENV).open() as addresses:
            fcntl.flock(addresses, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
