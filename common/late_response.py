"""A response whose body is made after view and middleware are done, on the event loop: who waits for a device holds no thread."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from common.error_responses import exception_handler, server_error

log = structlog.get_logger(__name__)

# Returns the status code, and what is answered as JSON. What it raises is answered as from a view.
Finish = Callable[[], Awaitable[tuple[int, Any]]]


class LateResponse(HttpResponse):
    """A JSON response that `ecowatt.asgi_handler` finishes once the request's thread and database connection are free again."""

    def __init__(self, finish: Finish) -> None:
        super().__init__(content_type="application/json")
        self._finish = finish
        self._language = translation.get_language()

    async def finish(self) -> None:
        """Make the body, in the language of the request."""
        with translation.override(self._language):
            try:
                self.status_code, body = await self._finish()
            except Exception as error:  # noqa: BLE001
                self._fail(error)
            else:
                self.content = orjson.dumps(body)
        self.headers["Content-Length"] = str(len(self.content))

    def _fail(self, error: Exception) -> None:
        answer = exception_handler(error, {})
        if answer is None:
            log.error("a late response failed", exc_info=error)
            failed = server_error(HttpRequest())
            self.status_code, self.content = failed.status_code, failed.content
            return
        self.status_code, self.content = answer.status_code, orjson.dumps(answer.data)
        for name, value in answer.headers.items():
            if name != "Content-Type":
                self.headers[name] = value
