"""Django's ASGI handler, with middleware and view on one thread."""

from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler


class Handler(ASGIHandler):
    """Goes to a thread once for each request.

    Our views are synchronous, and Django would otherwise go to a thread and back for each step of each middleware before them.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as under WSGI, and call it from the event loop."""
        super().load_middleware(is_async=False)
        chain: Any = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)
