"""/ws/shelly?token=…: a device's own outbound WebSocket, an ASGI application beside Django's stack.

The token is the device's key. What the device says goes the way of MQTT's frames, and it is asked on the same socket
(`devices.sockets`). The protocol knows no acknowledgement: what waits here is lost with the process, and what a device says while it
has no socket is lost, too. Its counter then says how much energy flowed meanwhile.
"""

import asyncio
import contextlib
import time
from typing import Any
from urllib.parse import parse_qs

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from common.async_database import in_own_thread
from devices.models import Device
from devices.ownership.keys import device_of_key, digest_of
from devices.presence.reporter import presence_reporter
from devices.services import device_key_used
from devices.sockets.device_socket import CloseCode, DeviceSocket
from devices.sockets.device_sockets import device_sockets
from telemetry.ingest.http import Event, Receive, Send, household
from telemetry.ingest.message_limits import MinuteLimit
from telemetry.ingest.socket_frames import socket_frames
from telemetry.shelly.mqtt_messages import read_frame
from telemetry.shelly.samples import PayloadError

log = structlog.get_logger(__name__)

SUBPROTOCOL = "json-rpc"
LONGEST_KEY = 200

_of_address, _of_device = MinuteLimit(), MinuteLimit()


async def device_endpoint(scope: Event, receive: Receive, send: Send) -> None:
    """Take a device's socket until either side ends it, or refuse it in the handshake."""
    await receive()  # that it wants to connect
    key, address = parse_qs(scope["query_string"].decode("latin1")).get("token", [""])[0], household(scope)
    try:
        device = await in_own_thread(_active_device, key) if _may_ask(key, address) else None
    except DatabaseError as error:
        log.error("a device's socket put off", error=type(error).__name__)
        await _accept(scope, send)
        await _close(send, CloseCode.TRY_AGAIN)
        return
    if device is None:
        await send({"type": "websocket.close"})
        return

    async def say(text: str) -> None:
        await send({"type": "websocket.send", "text": text})

    await _accept(scope, send)
    await _hold(DeviceSocket(device.pk, device.hardware_id, digest_of(key), say, address=address), receive, send)


async def _hold(socket: DeviceSocket, receive: Receive, send: Send) -> None:
    try:
        async with device_sockets().hold(socket):
            code = await _served(socket, receive)
    except asyncio.CancelledError:  # the server stops; another one starts
        await _close(send, CloseCode.GOING_AWAY)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):  # what has come already
                await _read(socket, receive)
        await socket_frames().stored(socket)  # for as long as the server waits for us
        raise
    if code is not None:
        log.info("a device's socket closed", device=socket.mac, reason=code.name)
        await _close(send, code)


def _may_ask(key: str, address: str | None) -> bool:
    """Tell whether the database is asked for a key: it can be one, and not too many come from the address."""
    return 0 < len(key) <= LONGEST_KEY and (
        address is None or _of_address.admits(address, settings.TELEMETRY_MESSAGES_PER_ADDRESS_PER_MINUTE)
    )


def _active_device(key: str) -> Device | None:
    """Return the active device that a key opens a socket to, and note that it is used (1 query, at first 3)."""
    device = device_of_key(key)
    if device is None or not device.is_active:
        return None
    if device.key_used_at is None:
        device_key_used(device_id=device.pk, digest=digest_of(key))
    return device


async def _accept(scope: Event, send: Send) -> None:
    is_offered = SUBPROTOCOL in scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if is_offered else None})


async def _close(send: Send, code: CloseCode) -> None:
    await send({"type": "websocket.close", "code": int(code)})


async def _served(socket: DeviceSocket, receive: Receive) -> CloseCode | None:
    """Take what the device says until it goes (None) or is to be closed."""
    socket_frames()  # which asks it, if it says nothing
    presence_reporter().alive(socket.device_id, time.time())
    reading = asyncio.create_task(_read(socket, receive))
    ends: list[asyncio.Future[Any]] = [reading, socket.closed]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return socket.closed.result() if socket.closed.done() else reading.result()
    finally:
        reading.cancel()
        if not (socket.closed.done() and socket.closed.result() == CloseCode.REPLACED):
            presence_reporter().last_will(socket.device_id, time.time())


async def _read(socket: DeviceSocket, receive: Receive) -> CloseCode | None:
    while (event := await receive())["type"] == "websocket.receive":
        if (code := _take(socket, event.get("text") or event.get("bytes") or b"")) is not None:
            return code
    return None


def _take(socket: DeviceSocket, payload: str | bytes) -> CloseCode | None:
    """Take a frame; return why the socket is to be closed, if it is."""
    if len(payload) > settings.TELEMETRY_BODY_LIMIT_BYTES:
        return CloseCode.TOO_LARGE
    if not _of_device.admits(socket.mac, settings.TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE):
        return CloseCode.TOO_MANY
    try:
        frame, message = read_frame(payload, time.time())
    except PayloadError as error:
        socket_frames().drop(socket.mac, error)
        return None
    if message.mac != socket.mac:
        log.warning("a device's socket named another device", device=socket.mac, source=message.mac)
        return CloseCode.FOREIGN_SOURCE
    device_sockets().hear(socket, frame)
    return None if socket_frames().put(socket, message) else CloseCode.TRY_AGAIN
