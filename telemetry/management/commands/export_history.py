"""`manage.py export_history`: readings or buckets of a home as CSV."""

import contextlib
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.command_arguments import home_of
from accounts.models import Home
from common.command_arguments import HelpFormatter, moment
from devices.models import Device
from devices.simulator import stop_on_signals
from telemetry.history.csv_format import TIMES
from telemetry.history.export import circuits_of, csv_pages
from telemetry.history.window import Window, floored, instant

DETAILS = """
Lines go by device, channel and time. Devices are named by hardware id (MAC); times are UTC, but days (1d) are dates of the home's
zone. Numbers are written so that reading them gives the same value again. What import_history put here is exported like what was
measured here, without the mark, so that export, import and export again make the same bytes. Days (1d) can't be imported.

A date is a day of the home's zone; --to includes it. A time without an offset is UTC. A file appears under its name when it is
complete; the command needs the same memory however long it becomes.

examples:
  manage.py export_history --email demo@example.com --resolution 5m --output casa.csv
  manage.py export_history --home 3 --resolution 1d --from 2026-01-01 --output - | gzip > 2026.csv.gz
"""


class Command(BaseCommand):
    help = "Write a home's readings (raw) or buckets (5m, 1h, 1d) as CSV."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=DETAILS, formatter_class=HelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--home", type=int, metavar="ID", help="the home's id, as the admin shows it")
        whose.add_argument("--email", metavar="E", help="a user whose home it is")
        add = parser.add_argument
        add("--resolution", choices=list(TIMES), default="1h", help="readings, or buckets of this width (%(default)s)")
        add("--from", dest="since", type=moment, default=date(2000, 1, 1), metavar="TIME", help="start (the very first)")
        add("--to", dest="until", type=moment, metavar="TIME", help="end, not included (now)")
        add("--output", required=True, metavar="FILE", help="where to write it; - for the standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file. Raises CommandError for bad input, for a file that can't be written and after a signal."""
        home = home_of(options["email"]) if options["email"] else Home.objects.filter(pk=options["home"]).first()
        if home is None:
            raise CommandError(f"There is no home {options['home']}.")
        pages = csv_pages(circuits_of(Device.with_retired.filter(home=home)), _window(home, options))
        try:
            if options["output"] == "-":
                self._write(pages, self.stdout)
            else:
                lines = self._save(pages, Path(options["output"]))
                self.stdout.write(f"{options['output']}: {lines} lines of {home}")
        except OSError as error:
            raise CommandError(f"{options['output']}: {error.strerror}.") from error

    def _save(self, pages: Iterable[str], path: Path) -> int:
        part = path.with_name(f"{path.name}.part")
        with _temporary(part):
            with part.open("w", encoding="utf-8", newline="") as file:
                lines = self._write(pages, file)
            part.replace(path)
        return lines

    @staticmethod
    def _write(pages: Iterable[str], file: Any) -> int:
        """Write the pages and return how many lines follow the header."""
        lines = -1
        with stop_on_signals() as stop:
            for page in pages:
                file.write(page) if not hasattr(file, "style_func") else file.write(page, ending="")
                lines += page.count("\r\n")
                if stop.is_set():
                    raise CommandError("Stopped before the end.")
        return lines


@contextlib.contextmanager
def _temporary(part: Path) -> Iterator[None]:
    try:
        yield
    finally:
        part.unlink(missing_ok=True)


def _window(home: Home, options: dict[str, Any]) -> Window:
    zone, resolution = ZoneInfo(home.time_zone), options["resolution"]
    end = instant(options["until"] or timezone.now(), zone, end=True)
    start = instant(options["since"], zone)
    if start >= end:
        raise CommandError("--from must lie before --to.")
    return Window(start if resolution == "raw" else floored(start, resolution, zone), end, resolution, zone)
