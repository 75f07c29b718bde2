"""Domain errors that the API shows, grouped by who must act."""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class DomainError(Exception):
    """A request that can't be done. The user reads `sentence`, in Spanish, unless it is raised with another; `status` is the HTTP code.

    The OpenAPI schema takes both from the class (`common.schema.refusals`). `retry_after_s` is sent as Retry-After.
    """

    status: ClassVar[int] = 400
    sentence: ClassVar[str | Promise] = ""
    retry_after_s: int | None = None

    def __init__(self, sentence: str | None = None, *, retry_after_s: int | None = None) -> None:
        super().__init__(str(self.sentence) if sentence is None else sentence)
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class BadRequest(DomainError):
    """The caller must send something else."""


class NotAuthenticated(DomainError):
    """The caller must log in."""

    status = 401


class BadCredentials(NotAuthenticated):
    """An access token that is malformed, expired, of a session that is over or of a user who left."""

    sentence = _("No se pudieron validar las credenciales")


class Forbidden(DomainError):
    """Somebody else may, the caller may not."""

    status = 403


class NotFound(DomainError):
    """It isn't there, or isn't the caller's."""

    status = 404


class Conflict(DomainError):
    """The caller must change what exists already."""

    status = 409


class Unprocessable(DomainError):
    """The field of the body can't be had, though it is well-formed."""

    status = 422
    field: ClassVar[str]


class TooManyRequests(DomainError):
    """The caller must wait, `retry_after_s`."""

    status = 429


class Unavailable(DomainError):
    """Nobody's mistake; the caller may try again, after `retry_after_s` where that is known."""

    status = 503
