"""A device's own outbound socket, held by this process: what is asked on it, and its end."""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Any

import orjson

from devices.constants import ANSWER_S
from devices.control.exceptions import DeviceSilent

# Names us to the device, which answers on the same socket whatever it is.
SOURCE = "ecowatt"
# A device obeys one request after another.
MOST_REQUESTS = 32

Frame = dict[str, Any]


class CloseCode(IntEnum):
    """Why a device's socket is closed: the standard's codes, and beyond 4000 our own."""

    GOING_AWAY = 1001
    TOO_LARGE = 1009
    TRY_AGAIN = 1013
    KEY_REVOKED = 4401
    FOREIGN_SOURCE = 4403
    REPLACED = 4409
    TOO_MANY = 4429


class SocketGone(Exception):
    """The device has no socket any more, and the request was not sent."""


class DeviceSocket:
    """A socket of a device, by its id and MAC, with the digest of the key that opened it.

    address: the public one from which it came, None for a private one. closed: the code with which the socket is to be closed.
    """

    def __init__(
        self, device_id: int, mac: str, key: bytes, send: Callable[[str], Awaitable[None]], *, address: str | None = None
    ) -> None:
        self.device_id, self.mac, self.key, self.address = device_id, mac, key, address
        self._send = send
        self.closed: asyncio.Future[CloseCode] = asyncio.get_running_loop().create_future()
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self.heard_at, self.asked_at = time.monotonic(), -math.inf

    def __repr__(self) -> str:
        return f"<DeviceSocket {self.mac}>"  # without its key

    def close(self, code: CloseCode) -> None:
        """Have it closed, with the first code that anybody gave."""
        if not self.closed.done():
            self.closed.set_result(code)

    def end(self) -> None:
        """Let nobody wait for an answer any more."""
        self.close(CloseCode.GOING_AWAY)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(DeviceSilent())

    async def request(self, method: str, params: Mapping[str, Any]) -> Frame:
        """Return the device's answer. Raises SocketGone before it is sent, DeviceSilent afterwards."""
        if self.closed.done():
            raise SocketGone
        if len(self._answers) >= MOST_REQUESTS:
            raise DeviceSilent
        number = secrets.randbelow(2**31 - 1) + 1
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._send(_request(number, method, params))
                return await answer
        except TimeoutError:
            raise DeviceSilent from None
        finally:
            del self._answers[number]

    async def ask_status(self) -> None:
        """Ask the device for its whole status, which it sends like a notification."""
        self.asked_at = time.monotonic()
        await self._send(_request(secrets.randbelow(2**31 - 1) + 1, "Shelly.GetStatus", {}))

    def hear(self, frame: Frame) -> None:
        """Take a frame of the device's for a sign of life, and an answer to whoever waits for it. What is late is nobody's."""
        self.heard_at = time.monotonic()
        number = frame.get("id")
        answer = self._answers.get(number) if isinstance(number, int) else None
        if answer is not None and not answer.done() and ("result" in frame or "error" in frame):
            answer.set_result(frame)


def relay_changes(frame: Frame) -> dict[int, dict[str, Any]]:
    """Return the fields that a notification says have changed, by the number of the relay."""
    params = frame.get("params")
    changes = params.items() if isinstance(params, dict) else ()
    named = {name.removeprefix("switch:"): change for name, change in changes if name.startswith("switch:")}
    return {int(number): change for number, change in named.items() if number.isdecimal() and isinstance(change, dict)}


def _request(number: int, method: str, params: Mapping[str, Any]) -> str:
    return orjson.dumps({"id": number, "src": SOURCE, "method": method, "params": dict(params)}).decode()
