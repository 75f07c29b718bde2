"""`manage.py rebuild_buckets`: compute buckets anew from readings."""

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from common.command_arguments import HelpFormatter, moment
from common.progress import Progress
from devices.models import Device
from devices.shelly_models import normalised_hardware_id
from devices.simulator import stop_on_signals
from telemetry.history.window import instant
from telemetry.models import Series
from telemetry.partitions import horizon
from telemetry.rollup.stale_buckets import ChangedReadings
from telemetry.services import rollup_changes, rollup_changes_rebuild

DETAILS = """
Buckets are made by the regular roll-up; this is for after a change of TELEMETRY_MAX_POWER_W or one of the gaps, or a repair of
readings. It goes back as far as whole days of readings are kept; older buckets, which readings can't make any more, stay as they
are, and so do imported ones where there are no readings. Doing it twice changes nothing, the regular roll-up goes on in between,
and Ctrl-C or SIGTERM end it after the current step (exit status 1): what is done stays done.

A date is a day of UTC; --to includes it. A time without an offset is UTC.

examples:
  manage.py rebuild_buckets
  manage.py rebuild_buckets --device A8032412C3D4 --device 17 --from 2026-11-20
"""


class Command(BaseCommand):
    help = "Compute the buckets of energy anew from the stored readings."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=DETAILS, formatter_class=HelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--device", nargs="+", action="extend", metavar="ID", help="only these devices, by id or MAC; may be repeated")
        add("--from", dest="since", type=moment, metavar="TIME", help="start (as far back as readings go)")
        add("--to", dest="until", type=moment, metavar="TIME", help="end (now)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild one day of a channel after the other. Raises CommandError for bad input and after a signal."""
        now = timezone.now()
        start, end = self._time_range(options, now)
        devices = None if options["device"] is None else [one for text in options["device"] for one in _device_ids(text)]
        changes = rollup_changes(device_ids=devices, start=start, end=end)
        if not changes:
            self.stdout.write("There are no readings to compute buckets from.")
            return
        self._rebuild(changes)

    def _time_range(self, options: dict[str, Any], now: datetime) -> tuple[datetime, datetime]:
        utc = ZoneInfo("UTC")
        oldest = horizon(now)
        end = min(instant(options["until"] or now, utc, end=True), now)
        start = instant(options["since"] or oldest, utc)
        if end <= oldest:
            raise CommandError(f"--to must lie after {oldest:%Y-%m-%d %H:%M} UTC: readings of before are no longer there.")
        if start >= end:
            raise CommandError("--from must lie before --to, and before now.")
        if start < oldest and options["since"]:
            self.stdout.write(f"Readings go back to {oldest.astimezone(UTC):%Y-%m-%d %H:%M} UTC; older buckets stay as they are.")
        return max(start, oldest), end

    def _rebuild(self, changes: list[ChangedReadings]) -> None:
        channels = len({(change.device_id, change.number) for change in changes})
        first, last = (time.astimezone(UTC) for time in (changes[0].from_time, changes[-1].to_time))
        self.stdout.write(f"{channels} channels, from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")
        progress = Progress(len(changes), "days of a channel", sys.stderr if sys.stderr.isatty() else self.stdout)  # type: ignore[arg-type]
        ranges = 0
        with stop_on_signals() as stop:
            for done, some in rollup_changes_rebuild(changes=changes):
                ranges += some
                progress(done)
                if stop.is_set():
                    break
        progress.close()
        if progress.done < len(changes):
            raise CommandError(f"Stopped after {progress.done} of {len(changes)}; give the command again to do the rest.")
        self.stdout.write(f"Done: computed {ranges} ranges of buckets anew.")


def _device_ids(text: str) -> list[int]:
    """Return the ids of devices that have readings, given by id, or by the hardware id that several homes may have had in turn."""
    found = list(Device.with_retired.filter(hardware_id=normalised_hardware_id(text)).values_list("id", flat=True))
    numbers = found or ([int(text)] if text.isascii() and text.isdigit() and len(text) < 10 else [])
    if not Series.objects.filter(device_id__in=numbers).exists():
        raise CommandError(f"--device {text}: there are no readings of such a device.")
    return numbers
