"""Requests to sockets that another process holds: one message to it over Redis, and one back."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any

from redis.exceptions import RedisError

from devices.constants import ANSWER_S
from devices.control.exceptions import DeviceSilent
from devices.sockets.device_socket import DeviceSocket, Frame, SocketGone
from devices.sockets.holders import SocketHolders


class RemoteRequests:
    """The requests of one process to others. is_heard: whether their answers come in."""

    def __init__(self, holders: SocketHolders) -> None:
        self._holders = holders
        self.is_heard = asyncio.Event()
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}

    async def send(self, holder: str, mac: str, method: str, params: Mapping[str, Any]) -> Frame:
        """Return the device's answer. Raises SocketGone where the holder is none any more, DeviceSilent."""
        number = next(self._numbers)
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        request = {"from": self._holders.process, "number": number, "mac": mac, "method": method, "params": dict(params)}
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.is_heard.wait()
                if not await self._holders.send(holder, request):
                    raise SocketGone
                return await answer
        except (TimeoutError, RedisError, OSError):  # it may have been sent
            raise DeviceSilent from None
        finally:
            del self._answers[number]

    def answered(self, message: Mapping[str, Any]) -> None:
        """Give an answer to who waits for it; what is late is nobody's."""
        answer = self._answers.get(message["number"])
        if answer is None or answer.done():
            return
        if "answer" in message:
            answer.set_result(message["answer"])
        else:
            answer.set_exception(SocketGone() if message["is_gone"] else DeviceSilent())


async def served(request: Mapping[str, Any], socket: DeviceSocket | None) -> dict[str, Any]:
    """Return the message that answers another process's request to a socket that is or was here; it goes no further."""
    message: dict[str, Any] = {"number": request["number"], "is_gone": socket is None}
    if socket is not None:
        try:
            message["answer"] = await socket.request(request["method"], request["params"])
        except SocketGone:
            message["is_gone"] = True
        except DeviceSilent:
            message["is_gone"] = False
    return message
