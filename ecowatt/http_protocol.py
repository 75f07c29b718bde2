"""What Daphne does with a request before ASGI is asked, kept small: anybody may send one, and all share its event loop.

Daphne leaves to Twisted to read forms on the event loop, whatever path they go to, and takes bodies of any size in any time. It also
believes a header of the client about where the site is mounted. And it keeps in memory whatever a client is sent and does not read.
Verified with Daphne 4.2.3 on Twisted 26.10.
"""

import asyncio
import time
from io import BytesIO
from typing import Any

import daphne.http_protocol
import daphne.server
import orjson
from django.conf import settings

from common.async_tasks import wait_at_most

# What is still read, and for how long, after an answer that came before the request's end: a caller that is cut off at once may never
# see the answer.
LINGER_S = 5


def _answer(status: bytes, sentence: str) -> bytes:
    body = orjson.dumps({"detail": sentence})
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + body


TOO_LARGE = _answer(b"413 Content Too Large", "El cuerpo de la petición es demasiado grande.")
TOO_SLOW = _answer(b"408 Request Timeout", "La petición tardó demasiado en llegar.")
# What Daphne would say in English and HTML.
SENTENCES = {
    400: "La petición no es válida.",
    500: "Error interno del servidor.",
    503: "El servicio no está disponible. Inténtalo de nuevo más tarde.",
}


class Backpressure:
    """Twisted's producer interface: no more may be sent while over 64 KiB wait for the client to read."""

    def __init__(self) -> None:
        self.may_send = asyncio.Event()
        self.may_send.set()

    def pauseProducing(self) -> None:  # noqa: N802
        self.may_send.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self.may_send.set()

    stopProducing = resumeProducing  # noqa: N815 – whoever waits has nothing left to wait for


class Request(daphne.http_protocol.WebRequest):  # type: ignore[misc]
    """A request whose form is left to Django, and which is hung up on when it is too large or too slow."""

    uri: bytes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._until = time.monotonic() + settings.WEB_REQUEST_SECONDS
        self._received_bytes = 0
        self._is_whole = self._is_refused = False
        self._backpressure = Backpressure()

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Take the announced length of the body, None for one in chunks."""
        if length is not None and length > settings.WEB_BODY_LIMIT_BYTES:
            self._refuse(TOO_LARGE)
            self.content = BytesIO()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a piece of the body, or drop it where the body is refused."""
        self._received_bytes += len(data)
        if not self._is_refused and self._received_bytes > settings.WEB_BODY_LIMIT_BYTES:
            self._refuse(TOO_LARGE)
        if not self._is_refused:
            super().handleContentChunk(data)
        elif self._received_bytes > 2 * settings.WEB_BODY_LIMIT_BYTES:
            self.transport.abortConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        self._is_whole = True
        if self._is_refused:
            self.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Write a part of the answer. Twisted tells `_backpressure` how fast the client reads an answer of several parts."""
        self.uri = self.uri.partition(b"?")[0]  # Daphne logs it, and in a query there may be a device's key or a token
        if message.get("more_body") and self.channel is not None and not self.finished and self.producer is None:
            self.registerProducer(self._backpressure, True)
        super().handle_reply(message)

    async def drained(self) -> None:
        """Wait until the client has read on; close the connection of one that does not within WEB_REQUEST_SECONDS."""
        if not await wait_at_most(self._backpressure.may_send, settings.WEB_REQUEST_SECONDS):
            self.transport.abortConnection()

    def finish(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self._backpressure.may_send.set()
        super().connectionLost(reason)

    def process(self) -> Any:
        """Drop the header by which a client would mount the site at another path."""
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        return super().process()

    def check_timeouts(self) -> None:
        """Close a request that takes too long to arrive. Daphne calls this every two seconds and limits answers itself."""
        if self._is_whole:
            super().check_timeouts()
        elif time.monotonic() > self._until:
            if self._is_refused:
                self.transport.abortConnection()
            else:
                self._refuse(TOO_SLOW)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answer in the API's form what Daphne refuses by itself."""
        answer = orjson.dumps({"detail": SENTENCES[status]})
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(answer))]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": answer})

    def _refuse(self, answer: bytes) -> None:
        self._is_refused = True
        self._until = time.monotonic() + LINGER_S
        self.requestHeaders.removeHeader(b"Expect")  # nobody is invited to send the body any more
        self.transport.write(answer)


class HTTPFactory(daphne.http_protocol.HTTPFactory):  # type: ignore[misc]
    """Makes the protocol of each connection, with requests of ours."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol


_reply = daphne.server.Server.handle_reply


async def reply(server: Any, protocol: Any, message: dict[str, Any]) -> None:
    """Send a part of an answer, and return when the client can take another: whoever makes the parts waits for that."""
    await _reply(server, protocol, message)
    if isinstance(protocol, Request):
        await protocol.drained()


def install() -> None:
    """Let every Daphne server that this process starts from now on make its connections and send its answers here."""
    daphne.server.HTTPFactory = HTTPFactory
    daphne.server.Server.handle_reply = reply
