"""`manage.py simulate_shelly`: a household's meters, which post to the ingest endpoint or keep a connection as real ones do."""

import asyncio
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.command_arguments import home_of
from common.command_arguments import HelpFormatter
from common.progress import Progress
from devices.models import Device
from devices.shelly_models import is_mac, normalised_hardware_id
from devices.simulator import (
    Clock,
    Fleet,
    Meter,
    StateError,
    invented_macs,
    state_load,
    state_save,
    stop_on_signals,
)
from devices.simulator.connections.script import ScriptPosts
from devices.simulator.online_fleet import NobodyConnected, OnlineFleet, described
from devices.simulator.registered import meters_of, missing_register
from devices.simulator.shelly.hardware import HARDWARE
from telemetry.management.simulator_servers import broker_settings, device_keys, websocket_settings
from telemetry.simulated_history import history_write, readings_count

LOOK_BACK_S = 24 * 3600
DETAILS = """
Each device draws what its name suggests: kitchen, living room, laundry, climate, solar panels. The load depends on the seed, the MAC
and the time alone; energy counters go on after a restart, and through up to seven days of standing still. What was switched off stays off.

By HTTP (the default) each meter posts its status every few seconds. --speed F starts 24 hours in the past, or where the last run ended
if that is later, and runs device time F times as fast as the wall. Device time never passes the real one: once it has caught up, it goes
with it. A second fast run right after the first has nothing left to hurry through.

With --mqtt each device keeps a connection with the broker of MQTT_BROKER_HOST and MQTT_BROKER_PORT (as MQTT_SHELLY_USER, with the
password MQTT_SHELLY_PASS) and does what a real one does: it notifies changes, answers RPC, obeys commands and its own timers and
schedules, and comes back after a loss. It speaks below <model>-<mac>, or below the topic prefix that its owner gave it. With --websocket it
does the same on an outbound socket of its own, with its own key in the URL. --script lets it also post its relay's power by HTTP, as the
app's script does.

Without a server the simulator says so once, tries again with growing pauses, and goes on by itself; a broker or a WebSocket server has
to be there at the start. Posts of a meter that no home has registered are refused and counted. The exit status is 0 if at least one
reading was stored or none was sent; with --mqtt and --websocket if at least one device could connect.

examples:
  manage.py simulate_shelly --devices 3 --register-for demo@example.com
  manage.py simulate_shelly --mac A8032412C3D4 --backfill 14 --once
  manage.py simulate_shelly --devices 500 --interval 10 --url http://192.168.1.10:8000
  manage.py simulate_shelly --mqtt --home demo@example.com --script 10
  manage.py simulate_shelly --mqtt --devices 4 --model shellypro4pm --model shellypmminig3 --register-for demo@example.com
"""


def _at_least(bound: float, kind: type[int] | type[float]) -> Any:
    def number(text: str) -> float:
        value = kind(text)
        if not bound <= value < 1e9:
            raise ValueError
        return value

    number.__name__ = f"{kind.__name__} of at least {bound}"
    return number


class Command(BaseCommand):
    """Arguments, and the devices that they ask for; they run in devices.simulator."""

    help = "Simulate Shelly meters of a Mexican household, over HTTP, MQTT or their own WebSockets."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        """Keep the line breaks of the explanation."""
        return super().create_parser(prog_name, subcommand, epilog=DETAILS, formatter_class=HelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--devices", type=_at_least(0, int), metavar="N", help="simulate N invented meters (3 if nothing else is asked for)")
        add("--mac", action="append", default=[], help="simulate the meter with this MAC; may be repeated")
        add("--home", metavar="EMAIL", help="simulate the devices that this user's home has")
        add(
            "--model",
            action="append",
            choices=sorted(HARDWARE),
            metavar="NAME",
            help=f"models of those that nobody has, in turn (shellyplus1pm); may be repeated: {', '.join(sorted(HARDWARE))}",
        )
        add("--register-for", metavar="EMAIL", help="register the meters that nobody has in this user's home")
        add(
            "--backfill", type=_at_least(1, int), metavar="DAYS", help="first write so many days of history for registered meters"
        )
        add("--url", default=f"http://127.0.0.1:{settings.WEB_PORT}", help="base URL of the web process (%(default)s)")
        add("--interval", type=_at_least(1, float), default=5.0, metavar="S", help="seconds between two posts of a meter (5)")
        add("--speed", type=_at_least(1, float), default=1.0, metavar="F", help="run device time F times as fast until it is now")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--mqtt", action="store_true", help="speak MQTT instead of posting")
        how.add_argument("--websocket", metavar="URL", help="keep a WebSocket with this ws or wss address instead of posting")
        add("--keys", type=Path, metavar="FILE", help="a JSON object of the devices' own keys by MAC, for posts and --websocket")
        add("--script", type=_at_least(1, float), metavar="S", help="with these two: also post to --url every S seconds")
        add(
            "--tls",
            metavar="CA",
            help="with these two: connect by TLS; a file of authorities, ca.pem for the system's, * for no check",
        )
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
        often.add_argument(
            "--once",
            action="store_true",
            help="end after the history, or without one after a post or a connection each",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Build the meters, write their past, simulate their present. Raises CommandError if nothing could be stored or connect."""
        _check(options)
        macs = _macs(options)
        models = options["model"] or ["shellyplus1pm"]
        if options["register_for"]:
            self._register(macs, models, options["register_for"])
        try:
            meters, devices = meters_of(macs, seed=options["seed"], states=state_load(options["state"]), models=models)
            if options["backfill"]:
                self._backfill([(devices[one.mac].pk, one) for one in meters if one.mac in devices], options)
                if options["once"]:
                    return
            if options["mqtt"] or options["websocket"]:
                self._go_online(meters, devices, options)
            else:
                self._post(meters, options)
        except StateError as error:
            raise CommandError(str(error)) from error

    def _register(self, macs: list[str], models: list[str], email: str) -> None:
        for device in missing_register(home=home_of(email), macs=macs, models=models):
            self._say(f"registered {device.hardware_id.upper()} as {device.name} (id {device.pk})")

    def _backfill(self, meters: list[tuple[int, Meter]], options: dict[str, Any]) -> None:
        if options["backfill"] > (kept := settings.TELEMETRY_BUCKET_RETENTION_DAYS):
            raise CommandError(f"--backfill: history is kept for {kept} days (TELEMETRY_BUCKET_RETENTION_DAYS).")
        if not meters:
            raise CommandError("No home has any of these meters, so there is no history to write. Try --register-for.")
        end = int(time.time())
        start = end - options["backfill"] * 86_400
        progress = Progress(readings_count(meters, start, end), "readings of history", self.stdout)  # type: ignore[arg-type]
        new = history_write(meters, start, end, progress=progress)
        progress.close()
        self._say(f"history: {new} new readings")
        self._save([meter for _, meter in meters], options["state"])

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
                keys=device_keys(options["keys"]),
            )
        except ValueError as error:
            raise CommandError(f"--url {options['url']}: {error}. It takes an address such as http://127.0.0.1:8000.") from error
        self._say(f"{len(meters)} meters post to {options['url']} every {options['interval']:g} s")
        with stop_on_signals() as stop:
            counts = fleet.run(stop, rounds=1 if options["once"] else options["count"])
        self._say(f"stopped: {counts}")
        if counts.sent and not counts.stored:
            raise CommandError("No reading was stored.")

    def _go_online(self, meters: list[Meter], devices: Mapping[str, Device], options: dict[str, Any]) -> None:
        server, settings_of = websocket_settings(options) if options["websocket"] else broker_settings(options, devices)
        keys = device_keys(options["keys"])
        fleet = OnlineFleet(server, say=self._say, save=lambda: self._save(meters, options["state"]))
        try:
            for meter in meters:
                running = fleet.add(meter, **settings_of(meter.mac))
                if options["script"]:
                    ScriptPosts(running, url=options["url"], every_s=options["script"], key=keys.get(meter.mac))
        except ValueError as error:
            raise CommandError(f"--url {options['url']}: {error}. It takes an address such as http://127.0.0.1:8000.") from error
        except ModuleNotFoundError as error:
            raise CommandError(f"--websocket needs {error.name}, which is among requirements/embedded.txt.") from error
        self._say(f"{len(meters)} devices connect to {server}")
        with stop_on_signals() as stop:
            try:
                counts = asyncio.run(fleet.run(stop, once=options["once"]))
            except NobodyConnected as error:
                raise CommandError(str(error)) from error
        self._say(f"stopped: {described(counts)}")

    def _say(self, line: str) -> None:
        self.stdout.write(f"{datetime.now():%H:%M:%S} {line}")  # noqa: DTZ005 – for the person at this terminal
        self.stdout.flush()

    @staticmethod
    def _save(meters: list[Meter], path: Path) -> None:
        state_save(path, {meter.mac: meter.state for meter in meters if meter.state})


def _check(options: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    online = options["mqtt"] or options["websocket"]
    if online and (options["speed"] > 1 or options["count"]):
        raise CommandError("--speed and --count go with posts, not with --mqtt or --websocket.")
    if not online and (options["script"] or options["tls"]):
        raise CommandError("--script and --tls go with --mqtt or --websocket.")
    if options["keys"] and options["mqtt"]:
        raise CommandError("--keys goes with posts and --websocket; over MQTT a device has a login.")


def _macs(options: dict[str, Any]) -> list[str]:
    given = [normalised_hardware_id(mac) for mac in options["mac"]]
    for mac, text in zip(given, options["mac"], strict=True):
        if not is_mac(mac):
            raise CommandError(f"{text!r} is no MAC: it takes 12 hexadecimal digits, with or without separators.")
    if options["home"]:
        found = Device.objects.filter(home=home_of(options["home"])).order_by("id").values_list("hardware_id", flat=True)
        given += filter(is_mac, found)
    count = options["devices"] if options["devices"] is not None else 0 if given or options["home"] else 3
    macs = list(dict.fromkeys([*given, *invented_macs(count, options["seed"])]))
    if not macs:
        raise CommandError(
            "There is nothing to simulate. Give --devices a number above zero, a --mac, or a --home that has devices."
        )
    return macs
