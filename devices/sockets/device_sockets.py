"""Devices' own sockets, whichever process holds them: requests go straight to the socket, or over Redis to its process, and no further.

A device that opens another socket, here or elsewhere, has its older one closed, and so has one whose key opens it no more.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from itertools import count
from typing import Any

import orjson
from redis.exceptions import RedisError

from common.async_database import in_database
from common.async_tasks import OnePerLoop, end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from common.redis_sender import failures_logged
from devices.constants import ANSWER_S
from devices.control.exceptions import DeviceSilent
from devices.models import Device
from devices.registry import CHANGES
from devices.sockets.device_socket import CloseCode, DeviceSocket, Frame, SocketGone, relay_changes
from devices.sockets.holders import SocketHolders

RENEW_S = 5.0
POLL_S = 0.5

# The number of a relay, and the fields that have changed.
OnChange = Callable[[int, dict[str, Any]], None]


class DeviceSockets:
    """The sockets that one event loop holds, and its way to those of others."""

    def __init__(self) -> None:
        self.held: dict[str, DeviceSocket] = {}
        self._holders = SocketHolders()
        self._listening = async_redis_client(SUBSCRIBER)
        self._is_heard = asyncio.Event()
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._watched: dict[str, OnChange] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._listener = asyncio.create_task(listen_for_ever(self._listen, what="requests to devices' sockets"))

    async def close(self) -> None:
        device_sockets.forget(self)
        await end([self._listener, *self._serving])
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
        return await self._request_of(holder, {"mac": mac, "method": method, "params": dict(params)})

    async def _request_of(self, holder: str, request: Mapping[str, Any]) -> Frame:
        number = next(self._numbers)
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._is_heard.wait()
                if not await self._holders.send(holder, {"from": self._holders.process, "number": number, **request}):
                    raise SocketGone
                return await answer
        except (TimeoutError, RedisError, OSError):
            raise DeviceSilent from None
        finally:
            del self._answers[number]

    def watch(self, mac: str, on_change: OnChange) -> None:
        """Have each change told that the device notifies of its relays on its socket, until `unwatch`."""
        self._watched[mac] = on_change

    def unwatch(self, mac: str) -> None:
        del self._watched[mac]

    def hear(self, socket: DeviceSocket, frame: Frame) -> None:
        """Take what a device says on its socket: an answer, or a change of a relay."""
        socket.hear(frame)
        if on_change := self._watched.get(socket.mac):
            for number, change in relay_changes(frame).items():
                on_change(number, change)

    async def _listen(self) -> None:
        renewed = 0.0
        try:
            async with self._listening.pubsub() as messages:
                await messages.subscribe(self._holders.channel, CHANGES)
                async for message in incoming(messages, poll_s=POLL_S):
                    if message is not None:
                        await self._take_message(message)
                    if self.held and time.monotonic() - renewed > RENEW_S:
                        renewed = time.monotonic()
                        self._close(await self._holders.renew(self.held), CloseCode.REPLACED)
        finally:
            self._is_heard.clear()

    async def _take_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":  # what changed before that is not known
            self._is_heard.set()
            await self._check(self.held)
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
        if "taken" in message:
            self._close([message["taken"]], CloseCode.REPLACED)
        elif "from" in message:
            serving = asyncio.create_task(self._serve(message))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)
        elif (answer := self._answers.get(message["number"])) is not None and not answer.done():
            if "frame" in message:
                answer.set_result(message["frame"])
            else:
                answer.set_exception(SocketGone() if message["is_gone"] else DeviceSilent())

    async def _serve(self, request: dict[str, Any]) -> None:
        """Answer another process's request. It goes to a socket of our own, or nowhere."""
        answer: dict[str, Any] = {"number": request["number"]}
        try:
            if (socket := self.held.get(request["mac"])) is None:
                raise SocketGone
            answer["frame"] = await socket.request(request["method"], request["params"])
        except SocketGone:
            answer["is_gone"] = True
        except DeviceSilent:
            answer["is_gone"] = False
        with failures_logged("an answer of a device's socket not sent"):
            await self._holders.send(request["from"], answer)


def devices_of_keys(digests: Iterable[bytes]) -> dict[bytes, int]:
    """Return the ids of the active devices whose sockets the keys open (1 query)."""
    devices = Device.objects.filter(key_digest__in=list(digests), is_active=True)
    return {bytes(digest or b""): device_id for digest, device_id in devices.values_list("key_digest", "pk")}


device_sockets = OnePerLoop(DeviceSockets)
