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


class Drain:
    """Whether the client takes what it is sent, as a producer of Twisted: it is closed while more than 64 KiB wait for the network."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.is_open.set()

    def pauseProducing(self) -> None:  # noqa: N802
        """Close it."""
        self.is_open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """Open it."""
        self.is_open.set()

    stopProducing = resumeProducing  # noqa: N815 – whoever waits has nothing left to wait for


class Request(daphne.http_protocol.WebRequest):  # type: ignore[misc]
    """A request whose form is left to Django, and which is hung up on when it is too large or too slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._until = time.monotonic() + settings.WEB_REQUEST_SECONDS
        self._received_bytes = 0
        self._is_whole = self._is_refused = False
        self._drain = Drain()

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Take the announced length of the body, None for one in chunks."""
        if length is not None and length > settings.WEB_BODY_LIMIT_BYTES:
            self._refuse(TOO_LARGE)
            self.content = BytesIO()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a piece of the body, or let it go where the body is refused."""
        self._received_bytes += len(data)
        if not self._is_refused and self._received_bytes > settings.WEB_BODY_LIMIT_BYTES:
            self._refuse(TOO_LARGE)
        if not self._is_refused:
            super().handleContentChunk(data)
        elif self._received_bytes > 2 * settings.WEB_BODY_LIMIT_BYTES:
            self.transport.abortConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """Go on with a whole request, unless it is refused already."""
        self._is_whole = True
        if self._is_refused:
            self.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Write a piece of the answer; of one in several pieces the client's reading is watched."""
        if message.get("more_body") and self.channel is not None and not self.finished and self.producer is None:
            self.registerProducer(self._drain, True)
        super().handle_reply(message)

    async def drained(self) -> None:
        """Wait until the client has read on. Hang up on one that does not for so long as a request may take to arrive."""
        if not self._drain.is_open.is_set():
            try:
                await asyncio.wait_for(self._drain.is_open.wait(), settings.WEB_REQUEST_SECONDS)
            except TimeoutError:
                self.transport.abortConnection()

    def finish(self) -> None:
        """End the answer."""
        if self.producer is not None:
            self.unregisterProducer()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Let go of who waits for the client."""
        self._drain.is_open.set()
        super().connectionLost(reason)

    def process(self) -> Any:
        """Hand the request over, without the header by which a client would move the site to another path."""
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        return super().process()

    def check_timeouts(self) -> None:
        """Hang up on a request that takes too long to arrive; Daphne asks every two seconds, and minds the time of answers itself."""
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
        """Return the protocol of a new connection."""
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol


_reply = daphne.server.Server.handle_reply


async def reply(server: Any, protocol: Any, message: dict[str, Any]) -> None:
    """Hand a piece of an answer over, and return when the client can take another: who makes the pieces waits for that."""
    await _reply(server, protocol, message)
    if isinstance(protocol, Request):
        await protocol.drained()


def install() -> None:
    """Let every Daphne server that this process starts from now on make its connections and send its answers here."""
    daphne.server.HTTPFactory = HTTPFactory
    daphne.server.Server.handle_reply = reply
