"""Many simulated devices in one process, each on its own connection with a broker or a server."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from devices.simulator.clock import Clock
from devices.simulator.connections.mqtt import MqttConnection
from devices.simulator.connections.running import RunningDevice, Timing
from devices.simulator.shelly.device import Device
from devices.simulator.shelly.meter import Meter

if TYPE_CHECKING:
    from devices.simulator.connections.websocket import WebSocketConnection

LOOK_EVERY_S = 0.2
REPORT_EVERY_S = 60.0
FIRST_CONNECTION_S = 30.0


class NobodyConnected(Exception):
    """Not one device could connect; the message says why."""


class OnlineFleet:
    """Devices that run together. `say` prints a line for a person, `save` keeps the counters."""

    def __init__(self, server: str, *, say: Callable[[str], None], save: Callable[[], None], timing: Timing = Timing()) -> None:  # noqa: B008
        """`server` is how a person knows it: no secret is in it."""
        self.devices: list[RunningDevice] = []
        self._server, self._timing, self._clock = server, timing, Clock()
        self._say, self._save = say, save
        self._connected: set[str] = set()
        self._reason = "it does not answer"
        self._shown = 0

    def add(self, meter: Meter, *, mqtt: dict[str, Any] | None = None, websocket: dict[str, Any] | None = None) -> RunningDevice:
        """Add a device with settings of a connection, in the maker's words."""
        device = Device(meter, now=self._clock.now(), mqtt=mqtt, websocket=websocket)
        running = RunningDevice(device, self._clock, timing=self._timing)

        def on_change(reason: str) -> None:
            self._connection_changed(device.id, reason)

        if mqtt:
            MqttConnection(running, on_change=on_change)
        if websocket:
            _websocket_connection()(running, on_change=on_change)
        self.devices.append(running)
        return running

    async def run(
        self, stop: threading.Event, *, once: bool = False, first_connection_s: float = FIRST_CONNECTION_S
    ) -> Counter[str]:
        """Run until told to stop, or `once` until all have connected and their first messages have arrived. Raises NobodyConnected."""
        tasks = [asyncio.create_task(one.run()) for one in self.devices]
        try:
            await self._first_connection(tasks, stop, first_connection_s)
            await self._watch(tasks, stop, once)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._save()
        return self._counts()

    def _connection_changed(self, device_id: str, reason: str) -> None:
        if reason:
            self._connected.discard(device_id)
            self._reason = reason
        else:
            self._connected.add(device_id)

    async def _first_connection(self, tasks: Sequence["asyncio.Task[None]"], stop: threading.Event, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not self._connected and not stop.is_set():
            if time.monotonic() > deadline:
                raise NobodyConnected(f"No device could connect to {self._server}: {self._reason}.")
            await self._look(tasks)

    async def _watch(self, tasks: Sequence["asyncio.Task[None]"], stop: threading.Event, once: bool) -> None:
        report_at, before = time.monotonic() + REPORT_EVERY_S, self._counts()
        while not stop.is_set() and not (once and self._all_done()):
            await self._look(tasks)
            if time.monotonic() >= report_at:
                report_at += REPORT_EVERY_S
                self._say(f"last minute: {described(self._counts() - before)}")
                before = self._counts()
                self._save()

    async def _look(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        """Wait a moment, and say how many are connected where that has changed. Raises what a device raised."""
        done, _ = await asyncio.wait(tasks, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if (count := len(self._connected)) != self._shown:
            reason = f" ({self._reason}); trying again" if count < self._shown else ""
            self._say(f"{count} of {len(self.devices)} devices are connected to {self._server}{reason}")
            self._shown = count

    def _all_done(self) -> bool:
        return all(connection.is_done() for one in self.devices for connection in one.connections)

    def _counts(self) -> Counter[str]:
        return sum((one.counts for one in self.devices), Counter())


def described(counts: Counter[str]) -> str:
    posts = f", {counts['posts']} posts" if counts["posts"] else ""
    return f"{counts['messages']} messages sent{posts}, {counts['requests']} requests taken, {counts['answers']} answered"


def _websocket_connection() -> type["WebSocketConnection"]:
    """Import the client of WebSockets, which production does not have. Raises ModuleNotFoundError."""
    from devices.simulator.connections.websocket import WebSocketConnection

    return WebSocketConnection
