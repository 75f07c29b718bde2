"""Django's database from an event loop."""

from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

Result = TypeVar("Result")


async def in_database(call: Callable[..., Result], *args: Any, **arguments: Any) -> Result:
    """Run a service or selector on a thread, on a connection that is still good."""

    def run() -> Result:
        close_old_connections()
        return call(*args, **arguments)

    return await sync_to_async(run)()
