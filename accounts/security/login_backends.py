"""How Django's own logins, the admin's, check a password: as the API does, by the same counters."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts import services
from accounts.models import User
from accounts.security.throttling import neighbourhood


class PasswordBackend(ModelBackend):
    """Users by e-mail and password, within the limits on guesses."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **credentials: Any
    ) -> User | None:
        """Return the active user, or None. Raises TooManyAttempts, Busy."""
        if username is None or password is None:
            return None
        return services.password_check(email=username, password=password, network=neighbourhood(request))
