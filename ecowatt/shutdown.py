"""What a web process does when it is asked to stop: every application is cancelled, and has a moment to close its sockets.

Daphne's own way stops at the first connection that has no application, as a socket's request has in its first second, and then no
application is cancelled. It also waits for as long as any application takes, and its threads. Verified with Daphne 4.2.3 on Twisted 26.10.
"""

import asyncio
import os
from typing import Any

import daphne.server
from twisted.internet import reactor
from twisted.internet.defer import Deferred

# A phone comes back three times within six seconds; the next process needs some of them to start.
CLOSE_S = 1.0
# What was said last is still to be written: afterwards the event loop is over.
WRITE_S = 0.2


def install() -> None:
    """Let every Daphne server that this process starts from now on stop like this."""
    daphne.server.Server.kill_all_applications = _end_applications


def _end_applications(server: Any) -> "Deferred[None]":
    return Deferred.fromFuture(asyncio.ensure_future(_cancelled(server.connections.values())))


async def _cancelled(connections: Any) -> None:
    running = [task for one in connections if (task := one.get("application_instance")) is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        _done, stuck = await asyncio.wait(running, timeout=CLOSE_S)
        await asyncio.sleep(WRITE_S)
        # In threads that wait for the database: Python would wait for them; the database rolls back what they began.
        if stuck:
            reactor.addSystemEventTrigger("after", "shutdown", os._exit, 0)  # type: ignore[arg-type]
