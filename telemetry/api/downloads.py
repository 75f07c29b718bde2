"""Files that are made while they are downloaded: a user has one on the way at a time."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import cache
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from common.exceptions import TooManyRequests

# Longer than a client may leave a page unread, after which the web process hangs up on it.
LEASE_S = settings.WEB_REQUEST_SECONDS + 60


class DownloadUnderWay(TooManyRequests):
    """Another file of the user's is on its way."""

    sentence = _("Ya estás descargando un archivo. Espera a que termine para pedir otro.")
    retry_after_s = 10


class Lease:
    """A user's right to a download, which ends by itself where the process that held it has died. Without the cache anybody has it."""

    def __init__(self, user_id: int) -> None:
        """Take it. Raises DownloadUnderWay if another download of the user has it."""
        self._key = f"telemetry:download:{user_id}"
        with suppress(RedisError):
            if not cache.add(self._key, 1, LEASE_S):
                raise DownloadUnderWay

    def renew(self) -> None:
        """Keep it for another while."""
        with suppress(RedisError):
            cache.touch(self._key, LEASE_S)

    def end(self) -> None:
        """Give it back."""
        with suppress(RedisError):
            cache.delete(self._key)


class Download(StreamingHttpResponse):
    """The pages of a file, each made when the one before has gone out, so that it takes the same memory however long it becomes."""

    def __init__(self, request: HttpRequest, lease: Lease, pages: Iterator[str], **options: Any) -> None:
        self._lease = lease
        drawn = _while_leased(pages, lease)
        # Django would gather a plain iterator in memory under ASGI, and an asynchronous one under WSGI.
        super().__init__(_asynchronously(drawn) if isinstance(request, ASGIRequest) else drawn, **options)

    def close(self) -> None:
        """End it: Django calls this when all is sent, and when the client has gone."""
        super().close()
        self._lease.end()


def _while_leased(pages: Iterator[str], lease: Lease) -> Iterator[str]:
    for page in pages:
        lease.renew()
        yield page


async def _asynchronously(pages: Iterator[str]) -> AsyncIterator[str]:
    draw = sync_to_async(lambda: next(pages, None))
    while (page := await draw()) is not None:
        yield page
