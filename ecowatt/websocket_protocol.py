"""Sockets under Daphne that may be closed with the standard's codes.

Autobahn lets an application close with 1000 or a code of its own alone. A device that is told that the server goes away, or to come
again later, needs the standard's. Verified with Daphne 4.2.3 on Autobahn 26.10.
"""

import daphne.server
import daphne.ws_protocol

LAST_STANDARD_CODE = 2999


class WebSocketProtocol(daphne.ws_protocol.WebSocketProtocol):  # type: ignore[misc]
    """A socket that is closed with whichever code it is told."""

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        if code is not None and code <= LAST_STANDARD_CODE and self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code)
        else:
            super().serverClose(code)


class WebSocketFactory(daphne.ws_protocol.WebSocketFactory):  # type: ignore[misc]
    protocol = WebSocketProtocol


def install() -> None:
    """Let every Daphne server that this process starts from now on take its sockets here."""
    daphne.server.WebSocketFactory = WebSocketFactory
