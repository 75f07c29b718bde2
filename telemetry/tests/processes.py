"""EcoWatt's own processes under test, and what they logged."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from ecowatt.env_files import ROOT


def database_url() -> str:
    """Return the address of the test database as the settings read it."""
    target = connection.settings_dict
    login = f"{quote(target['USER'])}:{quote(target['PASSWORD'])}@" if target["USER"] else ""
    port = f":{target['PORT']}" if target["PORT"] else ""
    sockets = target["OPTIONS"].get("host", "")
    return f"postgresql://{login}{target['HOST']}{port}/{target['NAME']}" + (f"?host={sockets}" if sockets else "")


class Process:
    """A running command on the test's database, the environment's services and what else it is told."""

    def __init__(self, log: Path, *command: str, **environment: str) -> None:
        self.log = log
        env = os.environ | {"URL_DATABASE_SQL": database_url(), "LOG_LEVEL": "INFO"} | environment
        with log.open("ab") as output:
            self.process = subprocess.Popen([sys.executable, *command], stdout=output, stderr=output, env=env, cwd=ROOT)

    def times(self, text: str) -> int:
        """Return how often it has logged this; fails where it has ended."""
        assert self.process.poll() is None, self.log.read_text()
        return self.log.read_text().count(text)

    def said(self, text: str) -> bool:
        return self.times(text) > 0

    def is_connected(self) -> bool:
        return self.said("connected to the broker")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def discard(self) -> None:
        """Kill it if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(60)


def ingest_process(log: Path, port: int, *options: str, **environment: str) -> Process:
    broker = {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(port)}
    return Process(log, "manage.py", "ingest", *options, **broker | environment)


def web_process(log: Path, port: int, **environment: str) -> Process:
    return Process(log, "-m", "daphne", "-p", str(port), "ecowatt.asgi:application", **environment)
