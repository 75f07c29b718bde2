"""Whether open sockets may stay open: checked again every minute, and at once when Redis says that something has changed.

Such a message names a user (their sessions, memberships) or a device; only sockets of these are checked. Where it is lost, or the
database is away, it is left to the next minute.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.conf import settings

from accounts.constants import CHANGES as ACCOUNT_CHANGES
from accounts.models import Session
from common.async_database import in_database
from common.async_tasks import OnePerLoop, end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from common.redis_sender import failures_logged
from devices.models import Device
from devices.registry import CHANGES as DEVICE_CHANGES
from devices.selectors import visible_pairs
from telemetry.live.hub import CloseCode, Frames

CHECK_S = 60.0
POLL_S = 0.5


class Access(NamedTuple):
    """In which session who watches which device."""

    session_id: int
    user_id: int
    device_id: int
    hardware_id: str


def access_of(session: Session, device_id: int) -> Access | None:
    """Return the access of an open session to a device, None where its user may not see the device or there is none (1 query)."""
    device = Device.objects.visible_to(session.user).filter(pk=device_id).first()
    return None if device is None else Access(session.pk, session.user_id, device.pk, device.hardware_id)


def ended(accesses: Iterable[Access]) -> dict[Access, CloseCode]:
    """Return those that are over, and why (2 queries)."""
    asked = set(accesses)
    usable = Session.objects.usable().filter(pk__in={one.session_id for one in asked})
    sessions = set(usable.values_list("pk", "user_id"))
    visible = visible_pairs(user_ids={one.user_id for one in asked}, device_ids={one.device_id for one in asked})
    gone = {one: CloseCode.GONE for one in asked if (one.user_id, one.device_id) not in visible}
    return gone | {one: CloseCode.SESSION_ENDED for one in asked if (one.session_id, one.user_id) not in sessions}


class AccessChecks:
    """The open sockets of an event loop, and what they rest on."""

    def __init__(self) -> None:
        self._sockets: dict[Frames, Access] = {}
        self._redis = async_redis_client(SUBSCRIBER)
        self._tasks = [
            asyncio.create_task(listen_for_ever(self._listen, what="changes of who may watch")),
            asyncio.create_task(self._check_regularly()),
        ]

    @property
    def open_sockets(self) -> int:
        return len(self._sockets)

    def has_room(self, user_id: int) -> bool:
        """Tell whether the user may have one more socket in this process."""
        held = sum(access.user_id == user_id for access in self._sockets.values())
        return held < settings.SOCKETS_PER_USER

    @contextlib.contextmanager
    def watched(self, access: Access, frames: Frames) -> Iterator[None]:
        """Have the socket closed through its frames when its access is over, for as long as the block lasts."""
        self._sockets[frames] = access
        try:
            yield
        finally:
            del self._sockets[frames]

    async def close(self) -> None:
        access_checks.forget(self)
        await end(self._tasks)
        await self._redis.aclose()

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            await self._check(self._sockets)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(ACCOUNT_CHANGES, DEVICE_CHANGES)
            async for message in incoming(pubsub, poll_s=POLL_S):
                if message is None or message["type"] not in {"subscribe", "message"}:
                    continue
                is_subscribed = message["type"] == "subscribe"  # what changed before that is not known
                named = str(message["data"].decode()) if not is_subscribed else ""
                await self._check(
                    frames
                    for frames, access in self._sockets.items()
                    if is_subscribed or named in {str(access.user_id), access.hardware_id}
                )

    async def _check(self, sockets: Iterable[Frames]) -> None:
        """Close those of the sockets whose access is over."""
        asked = {frames: self._sockets[frames] for frames in sockets}
        if not asked:
            return
        with failures_logged("who may watch not checked"):
            over = await in_database(ended, asked.values())
            for frames, access in asked.items():
                if access in over:
                    frames.end(over[access])


access_checks = OnePerLoop(AccessChecks)
