"""`manage.py simulate_shelly`: a household's meters, posting to the ingest endpoint as real ones do."""

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter

from accounts.command_arguments import home_of
from devices.shelly_models import normalised_hardware_id
from devices.simulator import (
    Clock,
    Fleet,
    Meter,
    StateError,
    history,
    invented_macs,
    state_load,
    state_save,
    stop_on_signals,
)
from devices.simulator.registered import meters_of, missing_register
from telemetry.services import readings_store, rollup_rebuild
from telemetry.shelly.samples import Sample

LOOK_BACK_S = 24 * 3600
BACKFILL_STEP_S = 30
DETAILS = """
Each device draws what its name suggests: kitchen, living room, laundry, climate. The load depends on the seed, the MAC and the
time alone; energy counters go on after a restart, and through up to seven days of standing still.

Time: --speed F starts 24 hours in the past, or where the last run ended if that is later, and runs device time F times as fast as
the wall. Device time never passes the real one: once it has caught up, it goes with it. A second fast run right after the first
has nothing left to hurry through.

Without a server the simulator says so once, tries again with growing pauses, and goes on by itself. Posts of a meter that no home
has registered are refused and counted. The exit status is 0 if at least one reading was stored, or none was sent.

examples:
  manage.py simulate_shelly --devices 3 --register-for demo@example.com
  manage.py simulate_shelly --mac A8032412C3D4 --backfill 14 --once
  manage.py simulate_shelly --devices 500 --interval 10 --url http://192.168.1.10:8000
"""


def _at_least(bound: float, kind: type[int] | type[float]) -> Any:
    def number(text: str) -> float:
        value = kind(text)
        if not bound <= value < 1e9:
            raise ValueError
        return value

    number.__name__ = f"{kind.__name__} of at least {bound}"
    return number


class HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of the options, with the explanation's own line breaks."""


class Command(BaseCommand):
    """Arguments, and the meters that they ask for; the loop is devices.simulator.Fleet."""

    help = "Simulate Shelly meters of a Mexican household that post their status over HTTP."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        """Keep the line breaks of the explanation."""
        return super().create_parser(prog_name, subcommand, epilog=DETAILS, formatter_class=HelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        add = parser.add_argument
        add("--devices", type=_at_least(0, int), metavar="N", help="simulate N invented meters (3 if no --mac is given)")
        add("--mac", action="append", default=[], help="simulate the meter with this MAC; may be repeated")
        add("--url", default=f"http://127.0.0.1:{settings.WEB_PORT}", help="base URL of the web process (%(default)s)")
        add("--interval", type=_at_least(1, float), default=5.0, metavar="S", help="seconds between two posts of a meter (5)")
        add("--speed", type=_at_least(1, float), default=1.0, metavar="F", help="run device time F times as fast until it is now")
        add(
            "--backfill", type=_at_least(1, int), metavar="DAYS", help="first write so many days of history for registered meters"
        )
        add("--register-for", metavar="EMAIL", help="register the meters that nobody has in this user's home")
        add("--seed", default="1", help="another seed is another household (%(default)s)")
        add(
            "--state",
            type=Path,
            default=settings.LOCAL_FOLDER / "simulator.json",
            metavar="FILE",
            help="where counters are kept (%(default)s)",
        )
        often = parser.add_mutually_exclusive_group()
        often.add_argument("--count", type=_at_least(1, int), metavar="N", help="end after N posts per meter")
        often.add_argument("--once", action="store_true", help="end after the history, or without one after a post per meter")

    def handle(self, *args: Any, **options: Any) -> None:
        """Build the meters, write their past, post their present. Raises CommandError if nothing could be stored."""
        macs = self._macs(options)
        if options["register_for"]:
            self._register(macs, options["register_for"])
        try:
            states = state_load(options["state"])
            meters, registered = meters_of(macs, seed=options["seed"], states=states)
            if options["backfill"]:
                self._backfill([(registered[one.mac], one) for one in meters if one.mac in registered], options)
                if options["once"]:
                    return
            self._post(meters, options)
        except StateError as error:
            raise CommandError(str(error)) from error

    def _macs(self, options: dict[str, Any]) -> list[str]:
        given = [normalised_hardware_id(mac) for mac in options["mac"]]
        for mac, text in zip(given, options["mac"], strict=True):
            if len(mac) != 12 or not set(mac) <= set("0123456789abcdef"):
                raise CommandError(f"{text!r} is no MAC: it takes 12 hexadecimal digits, with or without separators.")
        count = options["devices"] if options["devices"] is not None else 0 if given else 3
        macs = list(dict.fromkeys([*given, *invented_macs(count, options["seed"])]))
        if not macs:
            raise CommandError("There is nothing to simulate. Give --devices a number above zero, or a --mac.")
        return macs

    def _register(self, macs: list[str], email: str) -> None:
        for device in missing_register(home=home_of(email), macs=macs):
            self._say(f"registered {device.hardware_id.upper()} as {device.name} (id {device.pk})")

    def _backfill(self, meters: list[tuple[int, Meter]], options: dict[str, Any]) -> None:
        if options["backfill"] > (kept := settings.TELEMETRY_RETENTION_DAYS):
            raise CommandError(f"--backfill: readings are kept for {kept} days (TELEMETRY_RETENTION_DAYS).")
        if not meters:
            raise CommandError("No home has any of these meters, so there is no history to write. Try --register-for.")
        end = int(time.time())
        start = end - options["backfill"] * 86_400
        total = sum(len(meter.curves) for _, meter in meters) * (end - start) // BACKFILL_STEP_S
        new = readings_store(self._samples(meters, start, end, total))
        self._save([meter for _, meter in meters], options["state"])
        self._say(f"history: {new} new readings; computing the energy")
        ids = [device_id for device_id, _ in meters]
        rollup_rebuild(device_ids=ids, start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC))

    def _samples(self, meters: list[tuple[int, Meter]], start: int, end: int, total: int) -> Iterator[tuple[int, Sample]]:
        """Yield the history as telemetry takes it, and say each tenth of it."""
        tenth = max(1, total // 10)
        for number, (device_id, reading) in enumerate(history(meters, start, end, BACKFILL_STEP_S), 1):
            yield device_id, Sample(*reading)
            if number % tenth == 0:
                self._say(f"history: {number} of about {total} readings")

    def _post(self, meters: list[Meter], options: dict[str, Any]) -> None:
        known = [meter.state.time for meter in meters if meter.state]
        start = max([time.time() - LOOK_BACK_S, *known]) if options["speed"] > 1 else None
        try:
            fleet = Fleet(
                meters,
                url=options["url"],
                interval_s=options["interval"],
                clock=Clock(speed=options["speed"], start=start),
                say=self._say,
                save=lambda: self._save(meters, options["state"]),
            )
        except ValueError as error:
            raise CommandError(f"--url {options['url']}: {error}. It takes an address such as http://127.0.0.1:8000.") from error
        self._say(f"{len(meters)} meters post to {options['url']} every {options['interval']:g} s")
        with stop_on_signals() as stop:
            counts = fleet.run(stop, rounds=1 if options["once"] else options["count"])
        self._say(f"stopped: {counts}")
        if counts.sent and not counts.stored:
            raise CommandError("No reading was stored.")

    def _say(self, line: str) -> None:
        self.stdout.write(f"{datetime.now():%H:%M:%S} {line}")  # noqa: DTZ005 – for the person at this terminal
        self.stdout.flush()

    @staticmethod
    def _save(meters: list[Meter], path: Path) -> None:
        state_save(path, {meter.mac: meter.state for meter in meters if meter.state})
