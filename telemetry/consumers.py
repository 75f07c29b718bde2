"""The live socket of a device: /ws/live/{device_id}?token=…"""

import asyncio
import time
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from rest_framework.exceptions import AuthenticationFailed

from accounts.authentication import user_of_token
from devices.models import Device
from telemetry import selectors
from telemetry.hub import hub
from telemetry.live import frame

log = structlog.get_logger(__name__)

# The app retries after any code but 1000. Daphne sends none of the standard's others, not even 1013.
TOKEN_EXPIRED = 4401
TOO_SLOW = 4408
TRY_AGAIN = 4503


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Sends a device's readings as they are stored. What the client sends is discarded."""

    async def connect(self) -> None:
        """Accept a member of the device's home, or refuse the handshake."""
        self._pump: asyncio.Task[None] | None = None
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        device_id = int(self.scope["url_route"]["kwargs"]["device_id"])
        expires = await _authorised_until(query.get("token", [""])[0], device_id)
        if expires is None:
            await self.close()
            return
        await self.accept()
        self._pump = asyncio.create_task(self._serve(device_id, expires))

    async def disconnect(self, code: int) -> None:
        """Stop sending."""
        if self._pump:
            self._pump.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Discard what the client says."""

    async def _serve(self, device_id: int, expires: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, expires - time.time())):
                code = await self._send_frames(device_id)
        except TimeoutError:
            code = TOKEN_EXPIRED
        except Exception:  # else the socket would stay open and mute
            log.exception("live socket closed", device=device_id)
            code = TRY_AGAIN
        await self.close(code)

    async def _send_frames(self, device_id: int) -> int:
        """Send the last known readings and then each new one; return a close code when the client falls behind."""
        async with hub().watch(device_id) as frames:
            for reading in await database_sync_to_async(selectors.last_readings)(device_id):
                await self.send(text_data=frame(*reading))
            while (text := await frames.get()) is not None:
                await self.send(text_data=text)
        return TOO_SLOW


@database_sync_to_async  # type: ignore[untyped-decorator]
def _authorised_until(token: str, device_id: int) -> float | None:
    """Return when the token expires (Unix time), or None where it does not open this device."""
    try:
        user, access = user_of_token(token)
    except AuthenticationFailed:
        return None
    allowed = Device.objects.visible_to(user).filter(pk=device_id).exists()
    return float(access["exp"]) if allowed else None
