"""Commands through the API, beside a bare MQTT request and reply to the same simulated device; and the status of a relay from memory.

A command passes Daphne, Django and the database twice (who may, what came of it) and the same broker and device as the bare request. All
are measured in turns on one Mosquitto; the devices obey at once, where real ones take 40 to 130 ms.
"""

import argparse
import asyncio
import itertools
import socket
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import orjson
from _common import DAPHNE, Server, load, percentile, report, server, services
from _home import families, token_of
from ingest_http import mac
from ingest_mqtt import mosquitto
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

DEVICES = 100
SILENT = 42
AIM_RATIO, AIM_MORE_MS = 1.5, 10.0
AIM_STATUS_MS = 5.0
PREFIX = "shellyplus1pm-{mac}"


def _send_at_once(_client: Client, _data: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Bare:
    """A plain client that asks a device and waits for its answer."""

    def __init__(self, port: int) -> None:
        self._answered, self._subscribed = threading.Event(), threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_message = lambda *_: self._answered.set()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_connect = lambda client, *_: client.subscribe("bench/+/rpc", 1)
        self._client.on_socket_open = _send_at_once
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def times_ms(self, mac_of_one: str, seconds: float) -> list[float]:
        """Return how long each request took, one after the other."""
        times: list[float] = []
        started = time.perf_counter()
        for number in itertools.count(1):
            sent = time.perf_counter()
            if sent - started > seconds:
                return times
            self._answered.clear()
            request = {"id": number, "src": "bench/x", "method": "Switch.Set", "params": {"id": 0, "on": number % 2 == 0}}
            self._client.publish(f"{PREFIX.format(mac=mac_of_one)}/rpc", orjson.dumps(request), 1)
            assert self._answered.wait(10), "the device does not answer"
            times.append((time.perf_counter() - sent) * 1000)
        raise AssertionError

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def command(device_id: int, token: str, *, on: bool) -> bytes:
    body = orjson.dumps({"state": on})
    head = f"POST /api/v1/control/{device_id}/set HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def commands(device_id: int, token: str) -> Iterator[bytes]:
    """Yield commands that switch a device on and off."""
    for number in itertools.count():
        yield command(device_id, token, on=number % 2 == 0)


def question(path: str, token: str) -> Iterator[bytes]:
    yield from itertools.repeat(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())


async def at_once(port: int, devices: Sequence[tuple[int, str]], *, on: bool) -> dict[int, float]:
    """Command all devices at once; return how long each took, in ms, by its place."""

    async def one(device_id: int, token: str) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = time.perf_counter()
        writer.write(command(device_id, token, on=on))
        await reader.readuntil(b"\r\n\r\n")
        took_ms = (time.perf_counter() - started) * 1000
        writer.close()
        return took_ms

    return dict(enumerate(await asyncio.gather(*(one(*each) for each in devices))))


def rounds_of(
    daphne: Server, bare: Bare, devices: Sequence[tuple[int, str]], rounds: int, seconds: float
) -> dict[str, list[list[float]]]:
    """Return per round: p50 and p99 in ms, and how many a second."""
    device_id, token = devices[0]
    found: dict[str, list[list[float]]] = {"command": [], "bare": [], "status": [], "empty": []}
    status = f"/api/v1/control/{device_id}/status"
    for _ in range(rounds):
        times = bare.times_ms(mac(0), seconds)
        found["bare"].append([percentile(times, 0.5), percentile(times, 0.99), len(times) / seconds])
        for name, requests in (
            ("command", commands(device_id, token)),
            ("status", question(status, token)),
            ("empty", question("/empty", token)),
        ):
            seen = load(daphne.port, requests, connections=1, seconds=seconds)
            found[name].append([seen.p50_ms, seen.p99_ms, seen.per_second])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run")
    options = vars(parser.parse_args())
    with services(), mosquitto() as port, ExitStack() as stack:
        from devices.models import Command
        from devices.simulator.connections.running import Timing
        from devices.tests.simulator.online import all_online
        from devices.tests.simulator.shelly.devices_to_test import device

        devices = [(device_id, token_of(user)) for user, [device_id] in families(DEVICES)]
        mqtt = {"enable": True, "server": f"127.0.0.1:{port}"}
        shellys = [device(mac=mac(number), mqtt=mqtt) for number in range(DEVICES)]
        stack.enter_context(all_online(shellys, timing=Timing(obeys=(0.0, 0.0), reconnects=(0.02, 0.2))))
        environment = {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(port)}
        daphne = stack.enter_context(server([*DAPHNE, "_empty_view:application"], **environment))
        bare = Bare(port)
        stack.callback(bare.close)
        load(daphne.port, commands(*devices[0]), connections=4, seconds=1)  # warm
        asyncio.run(at_once(daphne.port, devices, on=True))
        found = rounds_of(daphne, bare, devices, **options)
        commanded = Command.objects.filter(device=devices[0][0], state="done")
        answer_ms = statistics.median(one.answer_ms or 0 for one in commanded)
        crowd = asyncio.run(at_once(daphne.port, devices, on=False))
        shellys[SILENT].faults.is_silent = True
        with_silent = asyncio.run(at_once(daphne.port, devices, on=True))
    middle = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in found.items()}
    others = [took for place, took in with_silent.items() if place != SILENT]
    rows: list[tuple[object, ...]] = [
        ("a command through the API", *middle["command"]),
        ("a bare MQTT request and its reply", *middle["bare"]),
        ("the status of a relay from memory", *middle["status"]),
        ("a Django view that does nothing", *middle["empty"]),
        ("100 commands at once", percentile([*crowd.values()], 0.5), max(crowd.values()), 1000 * DEVICES / max(crowd.values())),
        ("the other 99 beside a silent device", percentile(others, 0.5), max(others), 1000 * len(others) / max(others)),
    ]
    limit_ms = AIM_RATIO * middle["bare"][0] + AIM_MORE_MS
    report(
        "control",
        ["", "p50 ms", "p99 or last ms", "per second"],
        rows,
        aim_command_p50_ms=limit_ms,
        command_over_bare_ms=middle["command"][0] - middle["bare"][0],
        of_a_command_until_the_device_answered_ms=float(answer_ms),
        command_aim_met=middle["command"][0] <= limit_ms,
        status_over_empty_view=middle["status"][2] / middle["empty"][2],
        status_aim_met=middle["status"][0] < AIM_STATUS_MS,
        silent_answered_after_ms=with_silent[SILENT],
    )


if __name__ == "__main__":
    main()
