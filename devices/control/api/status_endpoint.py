"""GET /control/{id}/status for whoever was let in a moment ago: an ASGI application in front of Django's.

A phone asks some twenty times a second, and Django's stack with its three queries takes 8 ms. Who was answered by it may look again for
GRANT_S without it, for as long as the relay's status is known; anything else, and whoever is refused, is answered by Django.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import orjson

from accounts.constants import CHANGES as ACCOUNT_CHANGES
from common.async_tasks import OnePerLoop, end
from common.redis_channels import incoming, listen_for_ever
from common.redis_connections import SUBSCRIBER, async_redis_client
from devices.control.rpc import Listener
from devices.control.status import relay_statuses
from devices.registry import CHANGES as DEVICE_CHANGES

PATH = re.compile(r"/api/v1/control/[0-9]+/status/?")
# The longest that a change of who may look goes unnoticed where Redis does not tell of it.
GRANT_S = 2.0
POLL_S = 0.5
MOST = 20_000
# Where the view leaves its grant.
SCOPE_KEY = "ecowatt.status_grant"

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Any, Send], Awaitable[None]]
Key = tuple[bytes, str, bytes]


class Grant(NamedTuple):
    """What its caller may see, in the words of the view that let it in."""

    user_id: int
    listener: Listener
    channel: int
    device_name: str


class StatusGrants:
    """The grants of one event loop. Redis tells at once whose have ended."""

    def __init__(self) -> None:
        self._grants: dict[Key, tuple[Grant, float]] = {}  # and until when, by time.monotonic()
        self.changes = 0
        self._redis = async_redis_client(SUBSCRIBER)
        self._task = asyncio.create_task(listen_for_ever(self._listen, what="changes of who may look at relays"))

    def get(self, key: Key) -> Grant | None:
        grant, until = self._grants.get(key, (None, 0.0))
        return grant if time.monotonic() < until else None

    def add(self, key: Key, grant: Grant) -> None:
        if len(self._grants) >= MOST:
            self._grants.clear()
        self._grants[key] = grant, time.monotonic() + GRANT_S

    async def close(self) -> None:
        status_grants.forget(self)
        await end([self._task])
        await self._redis.aclose()

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(ACCOUNT_CHANGES, DEVICE_CHANGES)
            async for message in incoming(pubsub, poll_s=POLL_S):
                if message is not None and message["type"] == "message":
                    self._end(message["data"].decode())
                elif message is not None and message["type"] == "subscribe":  # what changed before that is not known
                    self._end(None)

    def _end(self, changed: str | None) -> None:
        """End the grants of a user, or for a device, that has changed; None: all of them."""
        self.changes += 1
        held, self._grants = self._grants, {}
        if changed is not None:
            self._grants = {key: one for key, one in held.items() if changed not in {str(one[0].user_id), one[0].listener.mac}}


status_grants = OnePerLoop(StatusGrants)


def is_status_request(scope: Scope) -> bool:
    """Tell whether it is a request of the app's; a browser's gets more headers than are given here."""
    return scope["method"] == "GET" and PATH.fullmatch(scope["path"]) is not None and not _header(scope, b"origin")


async def status_endpoint(scope: Scope, receive: Any, send: Send, django: Application) -> None:
    """Answer from memory, or let Django answer and remember whom it let in."""
    key = (_header(scope, b"authorization"), scope["path"], scope["query_string"])
    grants = status_grants()
    if (grant := grants.get(key)) and (status := relay_statuses().known(grant.listener, grant.channel)):
        await _answer(send, {"success": True, "device_name": grant.device_name, "status": status, "error": None})
        return
    changes = grants.changes
    await django(scope, receive, send)
    granted = scope.get(SCOPE_KEY)
    if granted is not None and grants.changes == changes:  # else it may be older than the change
        grants.add(key, granted)


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


async def _answer(send: Send, body: object) -> None:
    payload = orjson.dumps(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(payload))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
