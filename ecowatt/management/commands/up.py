"""`manage.py up`: the whole system on one machine, for trying it out and for development."""

import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone
from honcho.manager import Manager

from ecowatt.celery import app as celery
from ecowatt.embedded import LOCAL, port_is_free
from ecowatt.logins import ADMIN_EMAIL, DEMO_EMAIL, Logins, logins_make
from telemetry.models import Reading
from telemetry.partitions import partitions_maintain

HISTORY_DAYS = 14
READY_TIMEOUT_S = 120
CIRCUITS = 3


class Command(BaseCommand):
    """Prepare the database, then run every process until Ctrl-C."""

    help = (
        "Start everything on this machine: services that the environment does not name, migrations, CFE prices, an administrator, "
        "a demo home with history, then the web process, worker, schedule and a simulated Shelly. Ctrl-C stops all of it."
    )

    def add_arguments(self, parser: Any) -> None:
        """Declare the options."""
        parser.add_argument("--prepare-only", action="store_true", help="prepare the database and the demo home, start nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare and run. Raises CommandError where something can't start."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        if not port_is_free(settings.WEB_HOST, settings.WEB_PORT):
            raise CommandError(f"port {settings.WEB_PORT} is in use. Set WEB_PORT to another one, in the environment or in .env.")
        try:
            logins = self._prepare()
            if not options["prepare_only"]:
                self._run(logins)
        except KeyboardInterrupt:
            self._say("stopped")

    def _prepare(self) -> Logins:
        self._say("migrating the database")
        call_command("migrate", verbosity=0)
        partitions_maintain(timezone.now())
        self._say("loading CFE prices")
        call_command("load_cfe_prices", stdout=self.stdout)
        logins = logins_make()
        if logins.is_new:
            self._say(f"writing {HISTORY_DAYS} days of history for the demo home")
            self._simulate("--backfill", str(HISTORY_DAYS), "--once")
        return logins

    def _simulate(self, *options: str) -> None:
        call_command("simulate_shelly", *_household(), *options, stdout=self.stdout)

    def _run(self, logins: Logins) -> None:
        started = timezone.now()
        manager = Manager()
        for name, command in _processes().items():
            manager.add_process(name, f"exec {shlex.join(command)}", cwd=str(settings.BASE_DIR))
        connection.close()  # the processes are forked off; none may share our connection
        watch = threading.Thread(target=self._announce, args=(logins, started), daemon=True)
        watch.start()
        manager.loop()
        if manager.returncode not in (0, 130, 143):
            raise CommandError(f"a process ended with exit code {manager.returncode}; its lines above say why")
        self._say("stopped")

    def _announce(self, logins: Logins, started: Any) -> None:
        """Print where everything is, once everything answers."""
        checks: dict[str, Callable[[], bool]] = {
            "web": _web_answers,
            "worker": lambda: bool(celery.control.ping(timeout=1)),
            "simulated Shelly": lambda: Reading.objects.filter(time__gte=started).exists(),
        }
        deadline = time.monotonic() + READY_TIMEOUT_S
        for name, answers in checks.items():
            while not answers():
                if time.monotonic() > deadline:
                    self._say(f"the {name} does not answer yet; its lines above may say why")
                    return
                time.sleep(0.5)
        connection.close()
        self.stdout.write(_banner(logins))
        self.stdout.flush()

    def _say(self, line: str) -> None:
        self.stdout.write(f"• {line}")
        self.stdout.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _household() -> list[str]:
    return ["--devices", str(CIRCUITS), "--register-for", DEMO_EMAIL]


def _processes() -> dict[str, list[str]]:
    python, manage = sys.executable, str(settings.BASE_DIR / "manage.py")
    celery_command = [python, "-m", "celery", "--app", "ecowatt", "--quiet"]
    address = ["--bind", settings.WEB_HOST, "--port", str(settings.WEB_PORT)]
    web = [*address, "--ping-interval", "10", "--ping-timeout", "20", "--verbosity", "0"]
    return {
        "web": [python, "-m", "daphne", *web, "ecowatt.asgi:application"],
        "worker": [*celery_command, "worker", "--concurrency", "2", "--loglevel", "WARNING"],
        "beat": [*celery_command, "beat", "--loglevel", "WARNING"],
        "ingest": [python, manage, "ingest"],
        "shelly": [python, manage, "simulate_shelly", *_household()],
    }


def _address() -> str:
    host = "127.0.0.1" if settings.WEB_HOST in {"0.0.0.0", "::"} else settings.WEB_HOST  # noqa: S104 – compared, not bound
    return f"http://{host}:{settings.WEB_PORT}"


def _web_answers() -> bool:
    try:
        with urlopen(f"{_address()}/", timeout=2) as answer:  # noqa: S310 – our own address
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _banner(logins: Logins) -> str:
    lines = {
        "API": f"{_address()}/api/v1",
        "API documentation": f"{_address()}/docs",
        "Demo home's owner": f"{DEMO_EMAIL}   password {logins.demo_password}",
        "Administration": f"{_address()}/admin/",
        "Administrator": f"{ADMIN_EMAIL}   password {logins.admin_password}",
        "MQTT broker": f"{settings.MQTT_BROKER_HOST}:{settings.MQTT_BROKER_PORT}",
        "Mail": "through Brevo" if settings.BREVO_API_KEY else f"files in {LOCAL / 'outbox'}",
    }
    width = max(map(len, lines)) + 2
    return "\n".join(
        ["", "EcoWatt is running.", *(f"  {name:<{width}}{value}" for name, value in lines.items()), "  Ctrl-C stops it.", ""]
    )
