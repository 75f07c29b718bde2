"""Reads of the accounts in domain words."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.contrib.auth.models import BaseUserManager
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.constants import CHANGES
from accounts.email_addresses import normalized
from common.redis_channels import announce

if TYPE_CHECKING:
    from accounts.models import Home, PasswordReset, PushToken, RefreshToken, Session, User


class UserManager(BaseUserManager["User"]):
    """Users by e-mail, without regard to case."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address as it is stored."""
        return normalized(email or "")

    def with_email(self, email: str) -> "models.QuerySet[User]":
        """Keep the one user with the e-mail, if any; uses the unique index, which `iexact` (upper case) would not."""
        return self.alias(_email=Lower("email")).filter(_email=Lower(Value(email)))

    def find(self, email: str) -> "User | None":
        """Return the user with the e-mail, if any (1 query; 2 for an address beyond ASCII, which old accounts may have)."""
        spellings = [email] if email.isascii() else [email, self.normalize_email(email)]
        for spelling in spellings:
            user = self.with_email(spelling).first()
            # Where PostgreSQL takes two letters for one (İ and i), it is another person's address all the same.
            if user and user.email.lower() == spelling.lower():
                return user
        return None

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with the e-mail. Raises User.DoesNotExist."""
        if user := self.find(username or ""):
            return user
        raise self.model.DoesNotExist

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user without a home; registration is `services.user_register`."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything in the admin. Raises ValidationError, which `createsuperuser` shows."""
        self.model(email=email, **fields).validate_constraints()
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class HomeQuerySet(models.QuerySet["Home"]):
    """Homes, and who may see them."""

    def visible_to(self, user: "User") -> Self:
        """Keep the homes that the user belongs to."""
        return self.filter(memberships__user=user)

    def shown_to(self, user: "User") -> Self:
        """Keep the one home that the app shows: the first that the user joined, with the user's role in it as `caller_role`."""
        return self.visible_to(user).annotate(caller_role=F("memberships__role")).order_by("memberships__id")[:1]


class SessionQuerySet(models.QuerySet["Session"]):
    """Sessions."""

    def open(self) -> Self:
        """Keep the sessions that nobody has ended."""
        return self.filter(revoked_at__isnull=True)

    def usable(self) -> Self:
        """Keep the open sessions of users who may log in."""
        return self.open().filter(user__is_active=True)

    @transaction.atomic
    def revoke(self, now: datetime | None = None) -> int:
        """End those that are open, and with them their access tokens, phones and live sockets; return how many were open."""
        # Locked, so that no phone registers in a session that is just ending.
        ended = dict(self.open().select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", "user_id"))
        if not ended:
            return 0
        self.model.objects.filter(pk__in=ended).update(revoked_at=now or timezone.now())
        phones = apps.get_model("accounts", "PushToken").objects.filter(user__in=set(ended.values()))
        phones.filter(session__in=ended).delete()
        phones.of_no_session().delete()
        announce(CHANGES, *map(str, set(ended.values())))
        return len(ended)


class PushTokenQuerySet(models.QuerySet["PushToken"]):
    """Phones."""

    def of_no_session(self) -> Self:
        """Keep the phones that registered before their session was noted, and whose user has no open session any more."""
        sessions = apps.get_model("accounts", "Session").objects.open().filter(user=OuterRef("user"))
        return self.filter(~Exists(sessions), session=None)


class RefreshTokenQuerySet(models.QuerySet["RefreshToken"]):
    """Refresh tokens."""

    def with_digest(self, digest: str) -> Self:
        """Keep the one token with the SHA-256, if any."""
        return self.filter(digest=digest)

    def expired(self, now: datetime) -> Self:
        """Keep the tokens whose time is over."""
        return self.filter(expires_at__lte=now)


class PasswordResetQuerySet(models.QuerySet["PasswordReset"]):
    """Password resets."""

    def open(self, now: datetime) -> Self:
        """Keep the resets whose token can still be used."""
        return self.filter(used_at__isnull=True, expires_at__gt=now)

    def expired(self, now: datetime) -> Self:
        """Keep the resets whose time is over."""
        return self.filter(expires_at__lte=now)
