"""Django's database from an event loop, and its connection before something slow."""

from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

Result = TypeVar("Result")


async def in_database(call: Callable[..., Result], *args: Any, **arguments: Any) -> Result:
    """Run a service or selector on a thread, on a connection that is still good."""

    def run() -> Result:
        close_old_connections()
        return call(*args, **arguments)

    return await sync_to_async(run)()


async def in_own_thread(call: Callable[..., Result], *args: Any, **arguments: Any) -> Result:
    """Run a service or selector beside others, which `in_database` does one after the other, and let go of its connection."""

    def run() -> Result:
        try:
            return call(*args, **arguments)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()


def release_connection() -> None:
    """Give the connection back to the pool of a web process while this thread does something slow; not from within a transaction."""
    if not connection.in_atomic_block:
        close_old_connections()
