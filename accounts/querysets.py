"""Reads of the accounts in domain words."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import BaseUserManager
from django.db import models

if TYPE_CHECKING:
    from accounts.models import User


class UserManager(BaseUserManager["User"]):
    """Users by e-mail, without regard to case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with the e-mail. Raises User.DoesNotExist."""
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user without a home; registration is `services.user_register`."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class HomeQuerySet(models.QuerySet["Home"]):
    """Homes, and who may see them."""

    def visible_to(self, user: "User") -> Self:
        """Keep the homes that the user belongs to."""
        return self.filter(memberships__user=user)


class RefreshTokenQuerySet(models.QuerySet["RefreshToken"]):
    """Refresh tokens."""

    def expired(self, now: datetime) -> Self:
        """Keep the tokens whose time is over."""
        return self.filter(expires_at__lte=now)
