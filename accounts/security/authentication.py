"""Who is calling: access tokens in a Bearer header or in a WebSocket's URL. A token belongs to a session and ends with it."""

from typing import TYPE_CHECKING, Self, cast

from django.db import connection
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.models import Session
from common.exceptions import BadCredentials
from common.ids import row_id

if TYPE_CHECKING:
    from accounts.models import User

# The claim that OpenID Connect has for it.
SESSION_CLAIM = "sid"
# What the library raises for claims of a kind that it does not expect.
ABSURD = (TokenError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


class UserAccessToken(AccessToken):
    """An access token of a session, whose `user_id` is a JSON number, as in the rest of the API."""

    @classmethod
    def for_session(cls, session: Session) -> Self:
        """Return a token that ends with the session."""
        token = cls.for_user(session.user)
        token["user_id"] = session.user_id
        token[SESSION_CLAIM] = session.pk
        return token


def session_of_token(text: str) -> Session:
    """Return the open session that the access token belongs to, with its active user (1 query).

    Raises BadCredentials; a token without a session, as they were once, is refused too, which makes the app refresh.
    """
    token = _claims(text)
    try:  # by the key alone, and looked at here: the app asks all the time, and each condition costs the ORM as much as the database
        session = Session.objects.select_related("user").get(pk=row_id(token.get(SESSION_CLAIM, "")))
    except Session.DoesNotExist as error:
        raise BadCredentials from error
    is_its_own = session.user_id == row_id(token.get("user_id", ""))
    is_current = token.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(session.user.password)
    if not (session.is_usable and is_its_own and is_current):
        raise BadCredentials
    return session


def _claims(text: str) -> AccessToken:
    try:
        return AccessToken(text)  # type: ignore[arg-type]
    except ExpiredTokenError as error:
        _require_database()
        raise BadCredentials from error
    except ABSURD as error:
        raise BadCredentials from error


def _require_database() -> None:
    """Raise OperationalError where the database is away (1 query).

    A 401 makes the app refresh, and a refresh that fails logs its user out; so it must not be told to while refreshing can't work.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def caller(request: Request) -> "User":
    """Return who is logged in, in a view that lets nobody else in."""
    return cast("User", request.user)


def caller_session(request: Request) -> Session:
    """Return the session of who is logged in, in a view that lets nobody else in."""
    return cast("Session", request.auth)


class BearerAuthentication(BaseAuthentication):
    """Bearer access tokens; without one, or with a foreign scheme, the answer is 401 and never 403."""

    def authenticate(self, request: Request) -> "tuple[User, Session] | None":
        """Return the caller and the session, or None where no bearer token was sent. Raises BadCredentials."""
        words = request.headers.get("Authorization", "").split()
        if len(words) != 2 or words[0].lower() != "bearer":
            return None
        session = session_of_token(words[1])
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that goes with every 401."""
        return "Bearer"
