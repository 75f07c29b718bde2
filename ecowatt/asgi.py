"""The ASGI application: Django for everything but the ingest endpoint, most questions for a relay's status, and the sockets."""

import gc
import os

import django
from django.apps import apps
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
# Under ASGI each request has a thread of its own, and connections belong to threads: without a pool each request would open one. Where
# Django is set up already, as in tests, this is no web process.
if not apps.ready:
    database = settings.DATABASES["default"]
    database |= {"CONN_MAX_AGE": 0, "OPTIONS": database.get("OPTIONS", {}) | {"pool": settings.DATABASE_POOL}}
django.setup(set_prefix=False)

# Imported after Django is set up, for they use its models.
from channels.routing import URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

import ecowatt.urls  # noqa: E402, F401  so that the first caller does not wait until all views are loaded
from devices.control.api.status_endpoint import is_status_request, status_endpoint  # noqa: E402
from ecowatt import http_protocol, shutdown, websocket_protocol  # noqa: E402
from ecowatt.asgi_handler import Handler  # noqa: E402
from telemetry.ingest.http import Event, Receive, Send, shelly_endpoint  # noqa: E402
from telemetry.ingest.websocket import device_endpoint  # noqa: E402
from telemetry.live.consumers import LiveConsumer  # noqa: E402

# Here, for whichever command starts Daphne loads this module first.
http_protocol.install()
websocket_protocol.install()
shutdown.install()

django_application = Handler()
INGEST_PATHS = frozenset({"/api/v1/ingest/shelly", "/api/v1/ingest/shelly/"})
DEVICE_SOCKET_PATHS = frozenset({"/ws/shelly", "/ws/shelly/"})
# An id of more than 18 digits can't be one of ours, nor a 64-bit integer.
sockets = URLRouter([re_path(r"^ws/live/(?P<device_id>[0-9]{1,18})/?$", LiveConsumer.as_asgi())])


async def application(scope: Event, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and is_status_request(scope):
        await status_endpoint(scope, receive, send, django_application)
    elif scope["type"] == "http":
        handler = shelly_endpoint if scope["path"] in INGEST_PATHS else django_application
        await handler(scope, receive, send)
    elif scope["type"] == "websocket":
        handler = device_endpoint if scope["path"] in DEVICE_SOCKET_PATHS else _socket
        await handler(scope, receive, send)


async def _socket(scope: Event, receive: Receive, send: Send) -> None:
    """Route a socket; an unknown path is refused in the handshake like a forbidden one."""
    try:
        await sockets(scope, receive, send)
    except ValueError:  # what URLRouter raises where no route matches
        await send({"type": "websocket.close"})


# A full collection stops every sender and phone while it walks all objects: a tenth of a second for Django's alone, which are loaded to
# stay, and as much for each thousand sockets. Most garbage dies young, so full ones may be rare.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 10, 50)
