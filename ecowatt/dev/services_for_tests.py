"""The services that the tests run on: embedded unless the environment names others, never those of a running `manage.py up`."""

import os

import django

from ecowatt.dev.embedded_services import EmbeddedServices
from ecowatt.env_files import LOCAL, missing_services

services = EmbeddedServices(LOCAL / "test", durable=False)


def start() -> None:
    """Start what the environment does not name, then load Django on it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ecowatt.settings"
    os.environ["ECOWATT_DOTENV"] = "off"
    os.environ.setdefault("KEY_SECRET", "a key for tests only, long enough for any signature that we use")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    if missing := missing_services():
        services.__enter__()
        os.environ.update(services.start(missing))
    django.setup()
