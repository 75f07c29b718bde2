"""A simulated device on the event loop: time passes for it, it obeys one request after another, and its connections carry what it says."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from common.async_tasks import wait_at_most
from devices.simulator.clock import Clock
from devices.simulator.shelly import rpc
from devices.simulator.shelly.device import Device
from devices.simulator.shelly.notifications import Notification

MOST_WAITING = 50


class Timing(NamedTuple):
    """How long a device takes, in seconds, from … to: to obey, and to connect again after a loss (at first, at most)."""

    obeys: tuple[float, float] = (0.04, 0.13)
    reconnects: tuple[float, float] = (2.0, 60.0)


class Connection(Protocol):
    """A way to the device's server."""

    async def run(self) -> None:
        """Connect, and again after each loss, until cancelled."""

    def send(self, notifications: Sequence[Notification]) -> None:
        """Send what the device says by itself; without a connection it is lost."""

    def is_done(self) -> bool:
        """Tell whether it is connected and all that was said has arrived."""

    def cut(self) -> None:
        """End the connection as a loss of power does: without a farewell."""


class RunningDevice:
    """A device that runs: `counts` says how many messages it sent and how many requests and commands it got."""

    def __init__(self, device: Device, clock: Clock, *, timing: Timing = Timing()) -> None:  # noqa: B008 – immutable
        self.device, self.clock, self.timing = device, clock, timing
        self.connections: list[Connection] = []
        self.counts: Counter[str] = Counter()
        self._waiting: asyncio.Queue[Callable[[], None]] = asyncio.Queue(MOST_WAITING)
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled; its connections end without a farewell, so that a broker publishes its last will."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._live())
            tasks.create_task(self._obey())
            for connection in self.connections:
                tasks.create_task(connection.run())

    def receive(self, frame: object, *, source: str, reply: Callable[[dict[str, Any]], None]) -> None:
        """Take a request; the answer, if there is one, goes to `reply`."""

        def obey() -> None:
            if answer := rpc.answer(self.device, frame, self.clock.now(), source=source):
                self.counts["answers"] += 1
                reply(answer)

        self.do(obey)

    def do(self, work: Callable[[], None]) -> None:
        """Do something as soon as the device gets to it; what comes while too much is waiting is lost."""
        self.counts["requests"] += 1
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(work)

    def flush(self) -> None:
        """Send what the device has to say, and let it look at the time again."""
        if notifications := self.device.take_notifications():
            for connection in self.connections:
                connection.send(notifications)
        self._woken.set()

    async def _obey(self) -> None:
        while True:
            work = await self._waiting.get()
            await asyncio.sleep(random.uniform(*self.timing.obeys))  # noqa: S311
            work()
            self.flush()

    async def _live(self) -> None:
        boots = self.device.boots
        while True:
            self.device.tick(self.clock.now())
            if self.device.boots != boots:
                boots = self.device.boots
                self._break_off()
            self.flush()
            self._woken.clear()
            now = self.clock.now()
            await wait_at_most(self._woken, max(0.0, self.device.next_due(now) - now))

    def _break_off(self) -> None:
        """Lose the connections and what was waiting, as a restart does."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        for connection in self.connections:
            connection.cut()


async def reconnecting(connect: Callable[[], Any], pauses: tuple[float, float]) -> None:
    """Run a session after the other for ever: the pause doubles after each that was not accepted, and each is a little different.

    A session returns whether it was accepted.
    """
    first, longest = pauses
    pause = first
    while True:
        pause = first if await connect() else pause
        await asyncio.sleep(pause * random.uniform(1, 2))  # noqa: S311
        pause = min(pause * 2, longest / 2)
