"""Brevo's sending endpoint as a local HTTP server, for anymail's own client to talk to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class FakeBrevo(ThreadingHTTPServer):
    """Answers 500 as often as `failures` says, then 201; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.failures = 0
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v3/"


class _Handler(BaseHTTPRequestHandler):
    server: FakeBrevo

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, "key": self.headers["api-key"], "body": body})
        fails, self.server.failures = self.server.failures > 0, self.server.failures - 1
        self.send_response(500 if fails else 201)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"code": "internal", "message": "try later"}' if fails else b'{"messageId": "<1@brevo>"}')

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def fake_brevo() -> Iterator[FakeBrevo]:
    with FakeBrevo() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
