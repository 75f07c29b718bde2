"""`manage.py up`: the whole system on one machine, for trying it out and for development."""

import os
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
from django.db import connection, transaction
from django.utils import timezone

from ecowatt.celery import app as celery
from ecowatt.dev.demo_home import (
    ADMIN_EMAIL,
    DEMO_EMAIL,
    METERS,
    SEED,
    Logins,
    demo_home_furnish,
    demo_lacks_history,
    demo_meters,
    logins_make,
)
from ecowatt.dev.embedded_services import port_is_free
from ecowatt.dev.processes import Processes
from ecowatt.env_files import LOCAL
from telemetry.models import Reading
from telemetry.partitions import partitions_maintain

HISTORY_DAYS = 60
READY_TIMEOUT_S = 120
JOIN_TIMEOUT_S = 10
# Over MQTT a steady load is silent for a minute. So the demo home's Shellys also run the app's script, as those of its users do.
SCRIPT_EVERY_S = 5
HOUSEHOLD = ["--devices", str(len(METERS)), "--seed", SEED]
# What the processes say is meant for someone who tries the system: warnings, unless LOG_LEVEL asks for more. The first warning that
# is left out is Celery's about root, who is normal in a container of one's own.
QUIET = {
    "LOG_LEVEL": os.environ.get("LOG_LEVEL") or "WARNING",
    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
}


class Command(BaseCommand):
    """Prepare the database, then run every process until Ctrl-C."""

    help = (
        "Start everything on this machine: services that the environment does not name, migrations, CFE prices, an administrator, "
        "a demo home with history, then the web process, worker, schedule and simulated Shellys that speak MQTT. Ctrl-C stops all of it."
    )

    _is_interrupted = False

    def add_arguments(self, parser: Any) -> None:
        kept = settings.TELEMETRY_BUCKET_RETENTION_DAYS
        parser.add_argument("--prepare-only", action="store_true", help="prepare the database and the demo home, start nothing")
        parser.add_argument(
            "--history-days",
            type=int,
            choices=range(kept + 1),
            default=min(HISTORY_DAYS, kept),
            metavar="DAYS",
            help="days of history that a new demo home gets (%(default)s; 0 for none)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)  # what we write is under .local, and nobody else's
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.interrupt)
        try:
            _check_port()
            logins = self._prepare(options["history_days"])
            if not options["prepare_only"]:
                self._run(logins)
        except KeyboardInterrupt:
            self._say("stopped")

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop what is under way, and note it: what is raised in the midst of a destructor is lost."""
        self._is_interrupted = True
        raise KeyboardInterrupt

    def raise_if_interrupted(self) -> None:
        """Raises KeyboardInterrupt."""
        if self._is_interrupted:
            raise KeyboardInterrupt

    def _prepare(self, history_days: int) -> Logins:
        self._say("migrating the database")
        call_command("migrate", verbosity=0)
        partitions_maintain(timezone.now())
        self._say("loading CFE prices")
        call_command("load_cfe_prices", stdout=self.stdout)
        logins = logins_make()
        demo_home_furnish()
        if history_days and demo_lacks_history():
            self._say(f"writing {history_days} days of history for the demo home")
            with transaction.atomic():  # what is interrupted is written anew
                call_command("simulate_shelly", *HOUSEHOLD, "--backfill", str(history_days), "--once", stdout=self.stdout)
        return logins

    def _run(self, logins: Logins) -> None:
        started = timezone.now()
        processes = Processes()
        for name, command in _processes().items():
            processes.add(name, command, QUIET)
        connection.close()  # the processes are forked off; none may share our connection
        self.raise_if_interrupted()
        over = threading.Event()
        watch = threading.Thread(target=self._announce, args=(logins, started, over), daemon=True)
        watch.start()
        ended_well = processes.run()
        over.set()
        watch.join(JOIN_TIMEOUT_S)  # while its services are still there
        if not ended_well:
            raise CommandError(f"a process ended with exit code {processes.returncode}; its lines above say why")
        self._say("stopped")

    def _announce(self, logins: Logins, started: Any, over: threading.Event) -> None:
        """Print where everything is, once everything answers, unless it is over before."""
        checks: dict[str, Callable[[], bool]] = {
            "web": _web_answers,
            "worker": lambda: bool(celery.control.ping(timeout=1)),
            "simulated Shelly": lambda: not demo_meters().exists() or Reading.objects.filter(time__gte=started).exists(),
        }
        deadline = time.monotonic() + READY_TIMEOUT_S
        for name, answers in checks.items():
            while not over.is_set() and not answers():
                if time.monotonic() > deadline:
                    self._say(f"the {name} does not answer yet; its lines above may say why")
                    return
                over.wait(0.5)
        connection.close()
        if over.is_set():
            return
        self.stdout.write(_banner(logins))
        self.stdout.flush()

    def _say(self, line: str) -> None:
        self.stdout.write(f"• {line}")
        self.stdout.flush()


def _check_port() -> None:
    host, port = settings.WEB_HOST, settings.WEB_PORT
    try:
        free = port_is_free(host, port)
    except OSError as error:
        raise CommandError(f"can't listen on {host}, port {port}: {error.strerror}. Change WEB_HOST or WEB_PORT.") from error
    if not free:
        raise CommandError(f"port {port} is in use. Set WEB_PORT to another one, in the environment or in .env.")


def _processes() -> dict[str, list[str]]:
    python, manage = sys.executable, str(settings.BASE_DIR / "manage.py")
    celery_command = [python, "-m", "celery", "--app", "ecowatt", "--quiet"]
    listen = ["--bind", settings.WEB_HOST, "--port", str(settings.WEB_PORT)]
    pings = ["--ping-interval", "10", "--ping-timeout", "20"]
    return {
        "web": [python, "-m", "daphne", *listen, *pings, "--verbosity", "0", "ecowatt.asgi:application"],
        "worker": [*celery_command, "worker", "--concurrency", "2"],
        "beat": [*celery_command, "beat"],
        "ingest": [python, manage, "ingest"],
        "shelly": [python, manage, "simulate_shelly", "--mqtt", "--script", str(SCRIPT_EVERY_S), *HOUSEHOLD],
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


def _login(email: str, password: str | None) -> str:
    if password:
        return f"{email}   password {password}"
    return f"{email}   with the password that it was given; to set another: manage.py changepassword {email}"


def _banner(logins: Logins) -> str:
    lines = {
        "API": f"{_address()}/api/v1",
        "API documentation": f"{_address()}/docs",
        "Demo home's owner": _login(DEMO_EMAIL, logins.demo_password),
        "Administration": f"{_address()}/admin/",
        "Administrator": _login(ADMIN_EMAIL, logins.admin_password),
        "MQTT broker": f"{settings.MQTT_BROKER_HOST}:{settings.MQTT_BROKER_PORT}",
        "Mail": "through Brevo" if settings.BREVO_API_KEY else f"files in {LOCAL / 'outbox'}",
    }
    width = max(map(len, lines)) + 2
    return "\n".join(
        ["", "EcoWatt is running.", *(f"  {name:<{width}}{value}" for name, value in lines.items()), "  Ctrl-C stops it.", ""]
    )
