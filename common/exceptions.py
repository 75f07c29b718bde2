"""Domain errors that the API shows, grouped by who must act. The message is one Spanish sentence for the user."""

from typing import ClassVar


class DomainError(Exception):
    """A request that can't be done; `str()` of it is shown to the user, `status` is the HTTP code."""

    status: ClassVar[int] = 400
    retry_after_s: int | None = None


class BadRequest(DomainError):
    """The caller must send something else."""


class NotAuthenticated(DomainError):
    """The caller must log in."""

    status = 401


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
    """The caller must wait, so many seconds."""

    status = 429

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(DomainError):
    """Nobody's mistake; the caller may try again, after so many seconds where one can say it."""

    status = 503

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
