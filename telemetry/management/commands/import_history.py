"""`manage.py import_history`: a CSV that export_history, or the API, wrote on another installation."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.command_arguments import home_of
from accounts.models import Home
from common.command_arguments import HelpFormatter
from common.progress import Progress
from devices.simulator import stop_on_signals
from telemetry.history.csv_format import FileProblem
from telemetry.history.imports import Imported, ImportFile, history_import
from telemetry.rollup import run as rollups

DETAILS = """
The file is an export with the resolution raw, 5m or 1h. All of it is checked before the first line is stored; what is wrong is
named with its line. Its devices must be registered in the user's home, or --register registers them there.

Imported buckets never replace measured ones, and the roll-up replaces them where there are readings. Buckets of 5m make their
hours too; an imported hour is replaced by what its own five minutes say. To move everything, import 1h, 5m and raw, in any
order; the buckets at either end of the readings are made of what the file has of them. Readings older than they are kept
(TELEMETRY_RETENTION_DAYS) are left out.

Doing it twice changes nothing, and Ctrl-C or SIGTERM end it after the current step (exit status 1): give the command again to do
the rest.

examples:
  manage.py import_history casa.csv --email demo@example.com --dry-run
  manage.py import_history casa.csv --email demo@example.com --register
"""


class Stopped(Exception):
    """SIGTERM or Ctrl-C came; raised after a whole chunk."""


class Command(BaseCommand):
    help = "Store the history that another installation has exported as CSV."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=DETAILS, formatter_class=HelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the CSV")
        parser.add_argument("--email", required=True, metavar="E", help="a user into whose home it goes")
        parser.add_argument("--register", action="store_true", help="register the devices that the home does not have")
        parser.add_argument("--dry-run", action="store_true", help="check and count, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, store and report. Raises CommandError for bad input and after a signal."""
        home = home_of(options["email"])
        try:
            file = ImportFile(options["file"], timezone.now())
            done = self._import(file, home, register=options["register"], dry_run=options["dry_run"])
        except FileProblem as error:
            raise CommandError(f"{options['file']}: {error}") from error
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        if file.resolution == "raw" and done.added and not options["dry_run"]:
            rollups.rollup()
        self._report(file, home, done, dry_run=options["dry_run"])

    def _import(self, file: ImportFile, home: Home, *, register: bool, dry_run: bool) -> Imported:
        progress = Progress(file.lines, "lines", sys.stderr if sys.stderr.isatty() else self.stdout)  # type: ignore[arg-type]
        with stop_on_signals() as stop:

            def count(lines: int) -> None:
                progress(lines)
                if stop.is_set() and progress.done < file.lines:
                    raise Stopped

            try:
                return history_import(file=file, home=home, register=register, dry_run=dry_run, progress=count)
            except Stopped as error:
                raise CommandError(f"Stopped after {progress.done} of {file.lines} lines; give the command again.") from error
            finally:
                progress.close()

    def _report(self, file: ImportFile, home: Home, done: Imported, *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        for hardware_id in done.registered:
            self.stdout.write(f"{hardware_id.upper()} {would}registered in {home}")
        self.stdout.write(f"{done.lines} lines of {file.resolution}: {done.added} {would}added, {done.replaced} {would}replaced,")
        self.stdout.write(f"{done.unchanged} {would}kept as they are here")
        if done.expired:
            self.stdout.write(f"{done.expired} readings left out: they are older than readings are kept")
