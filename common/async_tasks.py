"""Background tasks of an event loop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, Never, TypeVar
from weakref import WeakKeyDictionary

import structlog
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

Made = TypeVar("Made")


class OnePerLoop(Generic[Made]):
    """Gives each event loop an object of its own, made when it is first asked for: in production one a process."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, Made] = WeakKeyDictionary()

    def __call__(self) -> Made:
        """Return the running event loop's object."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made[loop] = self._make()
        return self._made[loop]

    def forget(self, made: Made) -> None:
        """Let the running event loop have another one from now on, where it is this one that it has."""
        loop = asyncio.get_running_loop()
        if self._made.get(loop) is made:
            del self._made[loop]


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event so long, and return whether it is set.

    Not `asyncio.wait_for`: in Python 3.11 it swallows a cancellation that comes together with what it waits for.
    """
    if not event.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
    return event.is_set()


async def every(seconds: float, job: Callable[[], Awaitable[object]]) -> Never:
    """Do something again and again; Redis or the database being away is no reason to stop."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await job()
        except (RedisError, DatabaseError, OSError) as error:
            log.warning("put off until the next time", job=job.__name__.strip("_"), error=type(error).__name__)


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks and wait until they have ended.

    A client library may take a cancellation for a time-out of its own, and the task goes on: so it is cancelled until it ends.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _done, pending = await asyncio.wait(pending, timeout=0.2)


def raise_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled before: Redis' client swallows one that comes while it sends (Python 3.11)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
