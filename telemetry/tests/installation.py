"""EcoWatt's own processes on servers that a test may break, with devices that send over both ways in."""

from pathlib import Path
from typing import NamedTuple

from django.db.models import F, Sum

from accounts.models import Home
from common.testing import await_true, free_port
from common.tests.mqtt.mosquitto import BINARY
from devices.models import Device
from telemetry.models import FiveMinutes, Hour, Reading
from telemetry.rollup import run as rollups
from telemetry.tests import servers
from telemetry.tests.load import PASSWORD, STEP_WH, Load, Poster, Publisher
from telemetry.tests.processes import Process, ingest_process, web_process

LOGIN = {"MQTT_SHELLY_USER": "ecowatt", "MQTT_SHELLY_PASS": "of-ecowatt"}
# A device here says more in a second than a real one in a minute.
UNLIMITED = {"TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE": "1000000"}
# How many messages ingest holds at a time; few, so that a backlog is the broker's.
WINDOW = 50
SOME = 30
PATIENCE_S = 60.0


class Meters(NamedTuple):
    """A home's devices: half of them post, half publish."""

    posting: list[Device]
    publishing: list[Device]

    def macs(self) -> dict[int, str]:
        """By device id."""
        return {device.pk: device.hardware_id for device in (*self.posting, *self.publishing)}


def meters_of(home: Home) -> Meters:
    """Make devices that no test had before."""
    number = Device.objects.count()
    macs = [f"a8032412{number + one:04x}" for one in range(6)]
    devices = Device.objects.bulk_create(Device(home=home, hardware_id=mac, name=mac) for mac in macs)
    return Meters(devices[:3], devices[3:])


class Installation:
    """A web process, an ingest and a broker as they are deployed. A machine without Mosquitto does without the latter two."""

    def __init__(self, folder: Path, meters: Meters, redis_url: str) -> None:
        self.folder, self.meters = folder, meters
        self._environment = {"URL_DATABASE_REDIS": redis_url, "MQTT_RECEIVE_MAXIMUM": str(WINDOW)} | UNLIMITED
        self.web_port = free_port()
        names = [f"shellyplus1pm-{device.hardware_id}" for device in meters.publishing]
        accounts = {"ecowatt": LOGIN["MQTT_SHELLY_PASS"]} | dict.fromkeys(names, PASSWORD)
        self.broker = servers.deployed_mosquitto(folder, accounts) if BINARY else None
        self.running: list[Process] = []
        self.load = Load([])

    def start_web(self) -> Process:
        web = web_process(self.folder / "web.log", self.web_port, **self._environment)
        self.running.append(web)
        await_true("the web process listens", lambda: web.said("Listening on TCP"))
        return web

    def start_ingest(self, **environment: str) -> Process:
        """Start it, and its broker the first time."""
        if not self.broker.is_running():
            self.broker.start()
        log = self.folder / f"ingest-{len(self.running)}.log"
        ingest = ingest_process(log, self.broker.port, **LOGIN | self._environment | environment)
        self.running.append(ingest)
        await_true("ingest is connected", ingest.is_connected)
        return ingest

    def start_load(self, *, posts: bool = False, publishes: bool = False) -> Load:
        posters = [Poster(one.hardware_id, self.web_port) for one in self.meters.posting if posts]
        publishers = [Publisher(one.hardware_id, self.broker.port) for one in self.meters.publishing if publishes]
        self.load = Load([*posters, *publishers])
        self.load.await_more(SOME)
        return self.load

    def start(self) -> Load:
        """Start everything that this machine can."""
        self.start_web()
        if self.broker:
            self.start_ingest()
        return self.start_load(posts=True, publishes=self.broker is not None)

    def stored(self) -> list[tuple[str, float]]:
        """Return MAC and counter of each reading, in order."""
        macs = self.meters.macs()
        rows = Reading.objects.filter(device_id__in=macs).values_list("device_id", "energy_wh")
        return sorted((macs[device_id], float(counter)) for device_id, counter in rows)

    def count(self) -> int:
        return Reading.objects.filter(device_id__in=self.meters.macs()).count()

    def backlog(self) -> int:
        """Return how many readings were acknowledged and are not stored yet."""
        return self.load.count() - self.count()

    def await_calm(self) -> None:
        """End the load, and wait until ingest has stored what the broker holds."""
        self.load.end()
        await_true("the backlog is stored", lambda: self.backlog() <= 0, PATIENCE_S)

    def check(self) -> None:
        """Assert that all that was sent is stored once, that buckets have its energy, and that the processes run as they did."""
        self.await_calm()
        assert self.load.accepted() == self.load.sent()
        assert self.stored() == self.load.sent()
        self.check_energy()
        assert [process.process.poll() for process in self.running] == [None] * len(self.running)

    def check_energy(self) -> None:
        rollups.rollup()
        moved = {sender.mac: sender.sent_wh[-1] - sender.sent_wh[0] for sender in self.load.senders}
        assert all(energy >= STEP_WH for energy in moved.values())
        macs = self.meters.macs()
        for buckets in (FiveMinutes, Hour):
            rows = buckets.objects.filter(device_id__in=macs).values_list("device_id")
            sums = rows.annotate(energy=Sum(F("measured_wh") + F("recovered_wh")))
            counted = {macs[device_id]: round(energy, 3) for device_id, energy in sums}
            assert counted == moved

    def discard(self) -> None:
        for sender in self.load.senders:
            sender.end()
        for process in self.running:
            process.discard()
        if self.broker:
            self.broker.stop()
