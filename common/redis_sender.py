"""What goes to Redis without making anyone wait: gathered, and sent by a task in the background."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

import structlog

from common.async_tasks import end, raise_if_cancelled
from common.redis_connections import BACKGROUND, async_redis_client

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def failures_logged(what: str) -> Iterator[None]:
    """Let the block fail, mostly since a service is away, and log `what` with the reason: the task around it goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        log.warning(what, error=type(error).__name__, reason=str(error))
    raise_if_cancelled()


class RedisSender(ABC):
    """A task with a connection of its own that sends what has gathered whenever something has; while Redis is away, it is dropped.

    what: named in the log where it was not sent. pause_s: how long more may gather after each sending.
    """

    what = ""
    pause_s = 0.0

    def __init__(self) -> None:
        self._redis = async_redis_client(BACKGROUND)
        self._wake = asyncio.Event()
        self.tasks = [asyncio.create_task(self._run())]

    async def close(self) -> None:
        """Stop and disconnect; what has gathered is dropped."""
        await end(self.tasks)
        await self._redis.aclose()

    @abstractmethod
    async def _send(self) -> None:
        """Send what has gathered. It may raise anything: the failure is logged."""

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            with failures_logged(f"{self.what} not sent"):
                await self._send()
            await asyncio.sleep(self.pause_s)
