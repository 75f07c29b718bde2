"""Simulated devices that run beside a test, on an event loop in a thread of their own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.testing import await_true
from devices.simulator.clock import Clock
from devices.simulator.connections.mqtt import MqttConnection
from devices.simulator.connections.running import RunningDevice, Timing
from devices.simulator.shelly.device import Device

QUICK = Timing(obeys=(0.0, 0.005), reconnects=(0.02, 0.2))


class Online:
    """A device that is online. `call` does something to it on its own loop, and sends what it has to say of that."""

    def __init__(self, running: RunningDevice, loop: asyncio.AbstractEventLoop) -> None:
        self.running, self.device, self._loop = running, running.device, loop

    def is_connected(self) -> bool:
        return all(connection.is_done() for connection in self.running.connections)

    def call(self, change: Callable[[Device, float], Any]) -> Any:
        async def on_loop() -> Any:
            result = change(self.device, self.running.clock.now())
            self.running.flush()
            return result

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(10)


@contextlib.contextmanager
def online(device: Device, *, timing: Timing = QUICK, awaited: bool = True, **options: Any) -> Iterator[Online]:
    """Run a device by its MQTT settings until the end of the block; its connection then breaks as by a loss of power."""
    with all_online([device], timing=timing, awaited=awaited, **options) as (one,):
        yield one


@contextlib.contextmanager
def all_online(
    devices: Iterable[Device], *, timing: Timing = QUICK, awaited: bool = True, **options: Any
) -> Iterator[list[Online]]:
    """Run many devices on one loop."""
    with event_loop() as loop:
        every = [Online(_prepared(device, timing, options), loop) for device in devices]
        ended = [asyncio.run_coroutine_threadsafe(one.running.run(), loop) for one in every]

        def have_come() -> bool:
            return any(end.done() for end in ended) or all(one.is_connected() for one in every)

        try:
            if awaited:
                await_true("the devices are connected", have_come)
            yield every
            assert [end.result(0) for end in ended if end.done()] == []
        finally:
            for end in ended:
                end.cancel()


def _prepared(device: Device, timing: Timing, options: dict[str, Any]) -> RunningDevice:
    running = RunningDevice(device, Clock(), timing=timing)
    MqttConnection(running, **options)
    return running


@contextlib.contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        # What was cancelled ends first.
        asyncio.run_coroutine_threadsafe(_tasks_ended(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _tasks_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
