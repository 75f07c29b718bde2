"""Readings over HTTP, stored durably, compared with an empty application under the same server.

Both run in turns, several times, so that a slow minute of the machine affects both; compare the ratios.
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator

from _common import DAPHNE, Load, load, post_request, report, server, services

# So many that none posts more than once a second: a channel stores one reading per second.
DEVICES = 10_000
PATH = "/api/v1/ingest/shelly"
SERVERS = {
    "daphne": DAPHNE,
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--log-level", "error", "--no-access-log", "--lifespan", "off"],
}


def mac(number: int) -> str:
    """Return the MAC of simulated device number `number`."""
    return f"{0xA8_00_00_00_00_00 + number:012x}"


def requests() -> Iterator[bytes]:
    """Yield posts as the app's script sends them, device after device."""
    for number in itertools.count():
        switch = {
            "id": 0,
            "apower": 100 + number % 977,
            "voltage": 127.3,
            "current": 1.1,
            "output": True,
            "temperature": {"tC": 41.2},
        }
        yield post_request(PATH, json.dumps({"switch:0": switch, "sys": {"mac": mac(number % DEVICES).upper()}}).encode())


def register() -> None:
    """Create the devices that will post, in a home of their own."""
    from django.utils import timezone

    from accounts.models import Home
    from common.redis_connections import redis_client
    from devices.models import Device
    from telemetry.ingest.mqtt_activity import LAST_FRAMES
    from telemetry.partitions import partitions_maintain

    partitions_maintain(timezone.now())
    home, _ = Home.objects.get_or_create(name="Banco de pruebas")
    now = timezone.now()
    devices = [Device(home=home, hardware_id=mac(number), name=f"Circuito {number}", proven_at=now) for number in range(DEVICES)]
    Device.objects.bulk_create(devices, ignore_conflicts=True)
    redis_client().delete(LAST_FRAMES)  # frames that another benchmark sent over MQTT must not count here


def stored() -> int:
    """Return the number of stored readings."""
    from telemetry.models import Reading

    return Reading.objects.count()


def measure(kind: str, *, rounds: int, seconds: float, connections: int) -> tuple[list[Load], list[Load]]:
    """Return the runs of the empty application and of ours, in turns, each under one server process."""
    empty_runs, our_runs = [], []
    with server([*SERVERS[kind], "_empty:application"]) as empty, server([*SERVERS[kind], "ecowatt.asgi:application"]) as ours:
        for one in (empty, ours):
            load(one.port, requests(), connections=connections, seconds=1)  # warm
        for _ in range(rounds):
            empty_runs.append(load(empty.port, requests(), connections=connections, seconds=seconds))
            before = stored()
            our_runs.append(load(ours.port, requests(), connections=connections, seconds=seconds))
            answered = round(our_runs[-1].per_second * seconds)
            assert stored() - before >= 0.9 * answered, "answered readings are missing"
    return empty_runs, our_runs


def middle(runs: list[Load]) -> Load:
    """Return the median of each figure."""
    return Load(*(statistics.median(column) for column in zip(*runs, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--connections", type=int, default=64)
    options = vars(parser.parse_args())
    rows, ratios = [], {}
    with services():
        register()
        for kind in SERVERS:
            empty, ours = (middle(runs) for runs in measure(kind, **options))
            rows += [(f"{kind}, empty application", *empty), (f"{kind}, ingest, committed", *ours)]
            ratios[f"{kind}_ratio"] = ours.per_second / empty.per_second
    report("ingest_http", ["", "requests/s", "p50 ms", "p99 ms"], rows, **ratios)


if __name__ == "__main__":
    main()
