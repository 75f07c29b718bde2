"""What devices say on their own sockets, on its way to the commit: one batch after the other, and what waits is bounded.

While the database is away each device's messages wait; one that has too many waiting is sent away to come again. Beside them, what an
ingest process does for MQTT's devices: silent ones are asked for their status and new ones what they are, and commands that were kept
are sent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis

from common.async_tasks import OnePerLoop, end, every
from common.redis_connections import INGEST, async_redis_client
from devices.control.identify import IDENTIFY_EVERY_S, devices_identify
from devices.control.kept import KEPT_COMMANDS_EVERY_S, kept_send
from devices.discovery import PRIVATE, UnprovenDevice
from devices.presence.redis_scripts import ASK_AFTER_S
from devices.sockets.device_socket import DeviceSocket
from devices.sockets.device_sockets import device_sockets
from telemetry.ingest.batches import DeviceBatches
from telemetry.shelly.mqtt_messages import DeviceMessage

log = structlog.get_logger(__name__)

# Some minutes of what a meter says under changing load; and the memory's bound, some kB each.
MOST_WAITING_OF_DEVICE, MOST_WAITING = 64, 20_000
BATCH_LIMIT = 2_000
# A message alone costs three times what it costs among ten: so the first goes at once, and what comes within this time after it together.
BATCH_EVERY_S = 0.05
LOOK_EVERY_S, LOG_EVERY_S = 1.0, 60.0

Said = tuple[DeviceSocket, DeviceMessage]


class SocketBatches(DeviceBatches):
    """Batches of devices whose addresses may show where they are, as over HTTP."""

    def __init__(self, store: Redis) -> None:
        super().__init__(store)
        self._addresses: dict[str, str | None] = {}

    async def process(self, batch: Sequence[Said]) -> None:
        """Store what the messages say, trying again for as long as the database is away."""
        self.counts["messages"] += len(batch)
        self._addresses = {socket.mac: socket.address for socket, _message in batch}
        await self.commit(await self.merge_messages([message for _socket, message in batch]))

    def _unproven(self, message: DeviceMessage, power_w: float | None) -> UnprovenDevice:
        address = self._addresses[message.mac]
        return super()._unproven(message, power_w)._replace(address=address, place=address or PRIVATE)


class SocketFrames:
    """The messages of one event loop's sockets."""

    def __init__(self) -> None:
        self._store = async_redis_client(INGEST)
        self._batches = SocketBatches(self._store)
        self._queue: asyncio.Queue[Said] = asyncio.Queue()
        self._waiting: Counter[str] = Counter()
        self._batch_ended = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._work()),
            asyncio.create_task(every(LOOK_EVERY_S, self._ask_silent)),
            asyncio.create_task(every(KEPT_COMMANDS_EVERY_S, self._send_kept)),
            asyncio.create_task(every(IDENTIFY_EVERY_S, self._identify)),
            asyncio.create_task(every(LOG_EVERY_S, self._log_counts)),
        ]

    def put(self, socket: DeviceSocket, message: DeviceMessage) -> bool:
        """Have a message stored; return whether there was room for it."""
        if self._waiting[socket.mac] >= MOST_WAITING_OF_DEVICE or self._queue.qsize() >= MOST_WAITING:
            self._batches.drops.add(socket.mac, "too much waits to be stored")
            return False
        self._waiting[socket.mac] += 1
        self._queue.put_nowait((socket, message))
        return True

    async def stored(self, socket: DeviceSocket) -> None:
        """Wait until nothing of the device waits any more."""
        while self._waiting[socket.mac]:
            await self._batch_ended.wait()

    def drop(self, device: str, error: Exception) -> None:
        """Count a message that could not be read."""
        self._batches.drop(device, error)

    async def close(self) -> None:
        socket_frames.forget(self)
        await end(self._tasks)
        await self._store.aclose()

    async def _work(self) -> None:
        began = 0.0
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(began + BATCH_EVERY_S - time.monotonic())
            began = time.monotonic()
            while len(batch) < BATCH_LIMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._batches.process(batch)
            except Exception:  # the next one may be better
                log.exception("messages of devices' sockets not stored", messages=len(batch))
            finally:
                self._waiting -= Counter(socket.mac for socket, _message in batch)
                self._batch_ended.set()
                self._batch_ended = asyncio.Event()

    async def _ask_silent(self) -> None:
        """Ask for its status who has been silent, as a steady load is, or told changes alone; each once a minute at most."""
        before, lacking = time.monotonic() - ASK_AFTER_S, self._batches.take_lacking()
        for socket in list(device_sockets().held.values()):
            if socket.asked_at < before and (socket.heard_at < before or socket.device_id in lacking):
                await socket.ask_status()
                self._batches.counts["status requests"] += 1

    async def _send_kept(self) -> None:
        if device_sockets().held:
            await kept_send()

    async def _identify(self) -> None:
        if device_sockets().held:
            await devices_identify()

    async def _log_counts(self) -> None:
        self._batches.log_counts()


socket_frames = OnePerLoop(SocketFrames)
