"""A response whose body is made on the event loop after view and middleware are done: who waits for a device holds no thread."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from django.http import HttpResponse

# Returns the status code, and what is answered as JSON.
Finish = Callable[[], Awaitable[tuple[int, Any]]]


class LateResponse(HttpResponse):
    """A JSON response that `ecowatt.asgi_handler` finishes once the request's thread and database connection are free again.

    Nothing that `finish` raises reaches REST framework's exception handler any more, so it answers errors by itself.
    """

    def __init__(self, finish: Finish) -> None:
        super().__init__(content_type="application/json")
        self._finish = finish

    async def finish(self) -> None:
        self.status_code, body = await self._finish()
        self.content = orjson.dumps(body)
        self.headers["Content-Length"] = str(len(self.content))
