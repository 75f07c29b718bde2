"""Who is calling: access tokens in a Bearer header or in a WebSocket's URL."""

from typing import TYPE_CHECKING, Self, cast

from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

if TYPE_CHECKING:
    from accounts.models import User


def bad_credentials() -> AuthenticationFailed:
    """Return the one answer to a token that is malformed, expired, revoked or of a user who left."""
    return AuthenticationFailed(_("No se pudieron validar las credenciales"))


class UserAccessToken(AccessToken):
    """An access token whose `user_id` is a JSON number, as in the rest of the API."""

    @classmethod
    def for_user(cls, user: "User") -> Self:  # type: ignore[override]
        """Return a token for the user, which a change of the password ends."""
        token = super().for_user(user)
        token["user_id"] = user.pk
        return token


def user_of_token(text: str) -> "tuple[User, AccessToken]":
    """Return the active user whom the access token names, and the token (1 query). Raises AuthenticationFailed."""
    try:
        token = AccessToken(text)  # type: ignore[arg-type]
        user = JWTAuthentication().get_user(token)
    except (TokenError, AuthenticationFailed) as error:
        raise bad_credentials() from error
    return user, token  # type: ignore[return-value]


def caller(request: Request) -> "User":
    """Return who is logged in, in a view that lets nobody else in."""
    return cast("User", request.user)


class BearerAuthentication(JWTAuthentication):
    """Bearer access tokens; without one, or with a foreign scheme, the answer is 401 and never 403."""

    def authenticate(self, request: Request) -> "tuple[User, AccessToken] | None":  # type: ignore[override]
        """Return the caller and the token, or None where no bearer token was sent. Raises AuthenticationFailed."""
        words = request.headers.get("Authorization", "").split()
        if len(words) != 2 or words[0].lower() != "bearer":
            return None
        return user_of_token(words[1])

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that goes with every 401."""
        return "Bearer"
