"""The live socket of a device: /ws/live/{device_id}?token=…"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.security.authentication import session_of_token
from common.exceptions import BadCredentials
from devices.control.relays import relay_outputs
from telemetry.live.access_checks import Access, access_checks, access_of
from telemetry.live.frames import CHANNEL_LIFE_S, LiveReading
from telemetry.live.hub import CloseCode, Frames, hub
from telemetry.selectors import last_readings

log = structlog.get_logger(__name__)

# An older reading is nothing to show as live.
FIRST_FRAME_S = 60.0


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Sends a device's messages as they are stored. What the client sends is discarded."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the socket, and let go of what it watches however it ends."""
        async with contextlib.AsyncExitStack() as self._held:
            try:
                await super().__call__(scope, receive, send)
            except asyncio.CancelledError:  # the server stops; another one starts
                await self.close(int(CloseCode.TRY_AGAIN))
                raise

    async def connect(self) -> None:
        """Accept a member of the device's home, or refuse the handshake.

        Subscribed first, then the last reading, then accepted: so all that comes after the handshake is heard.
        """
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        device_id = int(self.scope["url_route"]["kwargs"]["device_id"])
        access = await _access(query.get("token", [""])[0], device_id)
        if access is None:
            await self.close()
            return
        frames = await self._held.enter_async_context(hub().watch(device_id))
        first = await _first_frame(device_id, frames)
        if not access_checks().has_room(access.user_id):
            await self.close()
            return
        self._held.enter_context(access_checks().watched(access, frames))
        await self.accept()
        serving = asyncio.create_task(self._serve(first, frames))
        self._held.callback(serving.cancel)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Discard what the client says."""

    async def _serve(self, first: str | None, frames: Frames) -> None:
        try:
            code = await self._send_frames(first, frames)
        except Exception:  # else the socket would stay open and mute
            log.exception("live socket closed")
            code = CloseCode.TRY_AGAIN
        await self.close(int(code))

    async def _send_frames(self, first: str | None, frames: Frames) -> CloseCode:
        """Send the first frame and then each new one, until a close code comes."""
        text: str | CloseCode | None = first
        while not isinstance(text, CloseCode):
            if text is not None:
                await self.send(text_data=text)
            text = await frames.get()
        return text


async def _first_frame(device_id: int, frames: Frames) -> str | None:
    """Return the frame of the last reading, if it is young; the queue holds what comes after it."""
    now = datetime.now(UTC)
    stored, outputs = await _stored(device_id, now - timedelta(seconds=CHANNEL_LIFE_S))
    state = hub().recall(device_id, frames, stored, outputs)
    return state.frame(state.newest) if now.timestamp() - state.newest <= FIRST_FRAME_S else None


@database_sync_to_async  # type: ignore[untyped-decorator]
def _stored(device_id: int, since: datetime) -> tuple[list[LiveReading], dict[int, bool]]:
    """Return the last readings of a device since a time, and what its relays are (2 queries)."""
    return last_readings(device_id, since), relay_outputs(device_id)


@database_sync_to_async  # type: ignore[untyped-decorator]
def _access(token: str, device_id: int) -> Access | None:
    """Return what the token opens, or None where it does not open this device (2 queries)."""
    try:
        return access_of(session_of_token(token), device_id)
    except BadCredentials:
        return None
