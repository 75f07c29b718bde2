"""Devices' own sockets, whichever process holds them: requests go straight to the socket, or over Redis to its process, and no further.

A device that opens another socket, here or elsewhere, has its older one closed, and so has one whose key opens it no more.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from typing import Any

import orjson
from redis.exceptions import RedisError

from common.async_database import in_database
from common.async_tasks import OnePerLoop, end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from common.redis_sender import failures_logged
from devices.models import Device
from devices.registry import CHANGES
from devices.sockets.device_socket import CloseCode, DeviceSocket, Frame, SocketGone, relay_changes
from devices.sockets.holders import EVERYBODY, PROCESS, SocketHolders
from devices.sockets.remote_requests import RemoteRequests, served

RENEW_S, WATCH_S = 5.0, 12.0
CHECK_S = 60.0
POLL_S = 0.5

# The number of a relay, and the fields that have changed.
OnChange = Callable[[int, dict[str, Any]], None]


class DeviceSockets:
    """The sockets that one event loop holds, and its way to those of others."""

    def __init__(self) -> None:
        self.held: dict[str, DeviceSocket] = {}
        self._holders = SocketHolders()
        self._listening = async_redis_client(SUBSCRIBER)
        self._remote = RemoteRequests(self._holders)
        self._watched: dict[str, OnChange] = {}
        self._watchers: dict[str, dict[str, float]] = {}  # of a MAC: other processes, and until when
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = asyncio.create_task(listen_for_ever(self._listen, what="requests to devices' sockets"))

    async def close(self) -> None:
        device_sockets.forget(self)
        await end([self._listener, *self._tasks])
        await self._listening.aclose()
        await self._holders.close()

    @contextlib.asynccontextmanager
    async def hold(self, socket: DeviceSocket) -> AsyncIterator[None]:
        """Have requests to the device go over this socket while the block lasts, and close an older one."""
        if older := self.held.get(socket.mac):
            older.close(CloseCode.REPLACED)
        self.held[socket.mac] = socket
        try:
            with failures_logged("a device's socket not registered"):
                if process := await self._holders.take(socket.mac):
                    await self._holders.send(process, {"taken": socket.mac})
            yield
            if self.held.get(socket.mac) is socket:
                with failures_logged("a device's socket not signed off"):
                    await self._holders.release(socket.mac)
        finally:
            if self.held.get(socket.mac) is socket:
                del self.held[socket.mac]
                self._watchers.pop(socket.mac, None)
            socket.end()

    async def request(self, mac: str, method: str, params: Mapping[str, Any]) -> Frame:
        """Return the device's answer over its socket. Raises SocketGone where none took the request, DeviceSilent where one did."""
        if socket := self.held.get(mac):
            return await socket.request(method, params)
        try:
            holder = await self._holders.holder_of(mac)
        except (RedisError, OSError):
            raise SocketGone from None
        if holder is None:
            raise SocketGone
        return await self._remote.send(holder, mac, method, params)

    def watch(self, mac: str, on_change: OnChange) -> None:
        """Have each change told that the device notifies of its relays on its socket, until `unwatch`."""
        self._watched[mac] = on_change
        self._start(self._announce_watched())

    def unwatch(self, mac: str) -> None:
        del self._watched[mac]

    def hear(self, socket: DeviceSocket, frame: Frame) -> None:
        """Take what a device says on its socket: an answer, or a change of a relay."""
        socket.hear(frame)
        watchers, on_change = self._watchers.get(socket.mac), self._watched.get(socket.mac)
        if not (watchers or on_change) or not (changes := relay_changes(frame)):
            return
        for number, change in changes.items():
            if on_change:
                on_change(number, change)
        told = {"mac": socket.mac, "changes": {str(number): change for number, change in changes.items()}}
        for process in [process for process, until in (watchers or {}).items() if until > time.monotonic()]:
            self._start(self._send(process, told))

    async def _announce_watched(self) -> None:
        """Tell whoever holds the devices' sockets that this process watches them."""
        await self._send(EVERYBODY, {"watched": list(self._watched), "from": self._holders.process})

    async def _listen(self) -> None:
        renewed = checked = time.monotonic()
        try:
            async with self._listening.pubsub() as messages:
                await messages.subscribe(self._holders.channel, PROCESS + EVERYBODY, CHANGES)
                async for message in incoming(messages, poll_s=POLL_S):
                    if message is not None:
                        await self._take_message(message)
                    if time.monotonic() - renewed > RENEW_S:
                        renewed = time.monotonic()
                        await self._renew()
                    if time.monotonic() - checked > CHECK_S:  # a notice may be lost, and not every write sends one
                        checked = time.monotonic()
                        await self._check(list(self.held))
        finally:
            self._remote.is_heard.clear()

    async def _renew(self) -> None:
        if self.held:
            self._close(await self._holders.renew(self.held), CloseCode.REPLACED)
        if self._watched:
            await self._announce_watched()

    async def _take_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":  # what changed before that is not known
            self._remote.is_heard.set()
            await self._renew()
            await self._check(list(self.held))
        elif message["type"] == "message" and message["channel"].decode() == CHANGES:
            await self._check({message["data"].decode()} & self.held.keys())
        elif message["type"] == "message":
            self._hear(orjson.loads(message["data"]))

    async def _check(self, macs: Iterable[str]) -> None:
        """Close those of the sockets whose keys open them no more."""
        if not (asked := [self.held[mac] for mac in macs]):
            return
        with failures_logged("keys of devices' sockets not checked"):
            valid = await in_database(devices_of_keys, [socket.key for socket in asked])
            for socket in asked:
                if valid.get(socket.key) != socket.device_id:
                    socket.close(CloseCode.KEY_REVOKED)

    def _close(self, macs: Iterable[str], code: CloseCode) -> None:
        for socket in [self.held[mac] for mac in macs if mac in self.held]:
            socket.close(code)

    def _hear(self, message: dict[str, Any]) -> None:
        """Take what another process says: a request or an answer, that it holds a device's socket now, or about changes of relays."""
        if "method" in message:
            self._start(self._serve(message))
        elif "number" in message:
            self._remote.answered(message)
        elif "taken" in message:
            self._close([message["taken"]], CloseCode.REPLACED)
        elif "watched" in message:
            for mac in self.held.keys() & set(message["watched"]):
                self._watchers.setdefault(mac, {})[message["from"]] = time.monotonic() + WATCH_S
        elif on_change := self._watched.get(message["mac"]):
            for number, change in message["changes"].items():
                on_change(int(number), change)

    async def _serve(self, request: dict[str, Any]) -> None:
        await self._send(request["from"], await served(request, self.held.get(request["mac"])))

    async def _send(self, process: str, message: dict[str, Any]) -> None:
        with failures_logged("another process was not told of a device's socket"):
            await self._holders.send(process, message)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def devices_of_keys(digests: Iterable[bytes]) -> dict[bytes, int]:
    """Return the ids of the active devices whose sockets the keys open (1 query)."""
    devices = Device.objects.filter(key_digest__in=list(digests), is_active=True)
    return {bytes(digest or b""): device_id for digest, device_id in devices.values_list("key_digest", "pk")}


device_sockets = OnePerLoop(DeviceSockets)
