"""What a web process does once, when it starts."""

import subprocess
import sys

from ecowatt.env_files import ROOT

ASKED = """
import asyncio, httpx, ecowatt.asgi
from django.db import connection

async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ecowatt.asgi.application, False), base_url="http://localhost") as phone:
        for _ in range(5):
            await phone.get("/api/v1/tariffs")

asyncio.run(ask())
stats = connection.pool.get_stats()
print(stats["requests_num"] >= 5, stats["connections_num"])
connection.close_pool()
"""
STARTED = "import gc, sys, ecowatt.asgi; print(gc.get_freeze_count() > 10_000, 'accounts.api.views' in sys.modules)"


def test_what_a_web_process_loads_is_loaded_at_start_and_never_walked_by_the_garbage_collector() -> None:
    started = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert started.stdout.split() == ["True", "True"]


def test_requests_in_threads_of_their_own_share_a_pool_of_connections() -> None:
    asked = subprocess.run([sys.executable, "-c", ASKED], cwd=ROOT, capture_output=True, text=True, check=True)
    enough, opened = asked.stdout.splitlines()[-1].split()
    assert enough == "True"
    assert int(opened) < 5, "one for each request"


HOPS = """
import asyncio, httpx, ecowatt.asgi
from asgiref.sync import SyncToAsync

hops, go = [], SyncToAsync.__call__

async def counted(self, *args, **kwargs):
    hops.append(self.func)
    return await go(self, *args, **kwargs)

async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ecowatt.asgi.application, False), base_url="http://localhost") as phone:
        await phone.get("/")
        SyncToAsync.__call__ = counted
        assert (await phone.get("/")).status_code == 200

asyncio.run(ask())
print(len(hops))
"""


def test_a_request_goes_to_a_thread_for_middleware_and_view_together() -> None:
    asked = subprocess.run([sys.executable, "-c", HOPS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(asked.stdout.splitlines()[-1]) <= 4, "two are Django's own: for its signals"
