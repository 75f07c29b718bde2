"""Django's ASGI handler, with middleware and view on one thread, which is free again before a late response is made."""

from contextvars import ContextVar
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http.response import HttpResponseBase

from common.late_response import LateResponse

_late: ContextVar[list[LateResponse]] = ContextVar("late responses of a request")


class Handler(ASGIHandler):
    """Goes to a thread once for each request.

    Our views are synchronous, and Django would otherwise go to a thread and back for each step of each middleware before them.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as under WSGI, and call it from the event loop."""
        super().load_middleware(is_async=False)
        chain: Any = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        late: list[LateResponse] = []
        _late.set(late)
        await super().__call__(scope, receive, send)
        for response in late:
            await response.finish()
            await super().send_response(response, send)

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        """Send it, or keep a late one until the request is over but for its answer."""
        if isinstance(response, LateResponse):
            _late.get().append(response)
        else:
            await super().send_response(response, send)
