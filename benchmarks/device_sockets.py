"""A thousand devices on sockets of their own, on one Daphne, each of which sends a full status every five seconds.

Measures the process's CPU time and memory, beside an application that discards what the same sockets say.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from _common import DAPHNE, report, server, services
from _home import families
from ingest_http import mac
from sockets import allow_files, memory_mb
from websockets.asyncio.client import ClientConnection, connect

EVERY_S = 5.0
HANDSHAKES_AT_ONCE = 20


def key(number: int) -> str:
    """Return the key of a device."""
    return f"key-of-device-{number}"


def give_keys(device_ids: Sequence[int]) -> None:
    """Give each device its key."""
    from devices.models import Device
    from devices.ownership.keys import digest_of

    devices = [Device(pk=device_id, key_digest=digest_of(key(number))) for number, device_id in enumerate(device_ids)]
    Device.objects.bulk_update(devices, ["key_digest"])


def frame(number: int, at: float) -> str:
    """Return a full status of a device."""
    fields = {
        "id": 0,
        "output": True,
        "apower": 100.0 + at % 97,
        "voltage": 127.3,
        "current": 0.8,
        "aenergy": {"total": at % 1e6},
    }
    params = {"ts": round(at, 2), "switch:0": fields}
    body = {"src": f"shellyplus1pm-{mac(number)}", "dst": "ws", "method": "NotifyFullStatus", "params": params}
    return orjson.dumps(body).decode()


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(port: int, pid: int, count: int, seconds: float) -> dict[str, float]:
    """Connect all devices, have them send evenly spaced, and return the figures."""
    gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def one(number: int) -> ClientConnection:
        async with gate:
            address = f"ws://127.0.0.1:{port}/ws/shelly?token={key(number)}"
            return await connect(address, ping_interval=None, compression=None, open_timeout=60, close_timeout=1)

    empty_mb, started = memory_mb(pid), time.perf_counter()
    devices = await asyncio.gather(*map(one, range(count)))
    connected_s, used, start = time.perf_counter() - started, cpu_s(pid), time.perf_counter()
    sent = round(count * seconds / EVERY_S)
    for message in range(sent):
        await asyncio.sleep(start + message * EVERY_S / count - time.perf_counter())
        await devices[message % count].send(frame(message % count, time.time()))
    await asyncio.sleep(1)
    used, full_mb = cpu_s(pid) - used, memory_mb(pid)
    await asyncio.gather(*(device.close() for device in devices))
    return {
        "seconds until all were connected": connected_s,
        "messages": sent,
        "CPU time, µs a message": used / sent * 1e6,
        "CPU time, % of a core": used / seconds * 100,
        "memory, kB a socket": (full_mb - empty_mb) * 1024 / count,
    }


def stored() -> int:
    """Return how many readings there are."""
    from telemetry.models import Reading

    return Reading.objects.count()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long the devices send (%(default)s)")
    options = parser.parse_args()
    allow_files(options.sockets + 500)
    figures = []
    with services():
        give_keys([device_id for _user, [device_id] in families(options.sockets)])
        for application in ("ecowatt.asgi:application", "_empty_socket:application"):
            with server([*DAPHNE, application], MQTT_BROKER_HOST="") as daphne:
                figures.append(asyncio.run(measure(daphne.port, daphne.pid, options.sockets, options.seconds)))
        ours, empty = figures
        rows = [(name, ours[name], empty[name]) for name in ours]
        report("device_sockets", ["", "devices' sockets", "empty application"], [*rows, ("readings stored", stored(), 0)])
