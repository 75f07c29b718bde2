"""Background tasks of an event loop."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks and wait until they have ended.

    A client library may take a cancellation for a time-out of its own, and the task goes on: so it is cancelled until it ends.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _done, pending = await asyncio.wait(pending, timeout=0.2)


def heed_cancellation() -> None:
    """Raise CancelledError where the task was cancelled and goes on: Redis' client loses one that comes while it sends (Python 3.11)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
