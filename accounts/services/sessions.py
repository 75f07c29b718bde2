"""Logins: short access tokens, and refresh tokens that are exchanged at each use.

A session is a family of refresh tokens, and every access token belongs to one and ends with it. A phone refreshes in parallel with one
token, so a token just rotated answers for REFRESH_TOKEN_GRACE more; used after that it was stolen, and the family ends.
"""

from datetime import datetime
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.exceptions import LoginRefused, RefreshRefused
from accounts.models import PasswordReset, PushToken, RefreshToken, Session, User
from accounts.security.authentication import UserAccessToken
from accounts.security.secret_tokens import digest, new_token
from accounts.services.passwords import password_check

# A month of a phone that refreshes each half hour: only who refreshes without need loses the trace of tokens that were exchanged.
TOKENS_PER_SESSION = 1_500

log = structlog.get_logger(__name__)


class TokenPair(NamedTuple):
    """What a phone holds: a JWT for requests, and an opaque text that gets the next pair."""

    access_token: str
    refresh_token: str


def _pair(session: Session, now: datetime) -> TokenPair:
    token = new_token()
    RefreshToken.objects.create(session=session, digest=digest(token), expires_at=now + settings.REFRESH_TOKEN_LIFETIME)
    return TokenPair(access_token=str(UserAccessToken.for_session(session)), refresh_token=token)


def session_login(*, email: str, password: str, network: str = "") -> TokenPair:
    """Start a session for whoever knows the password. Raises LoginRefused, TooManyAttempts, Busy."""
    user = password_check(email=email, password=password, network=network)
    if user is None:
        raise LoginRefused
    return session_start(user=user)


@transaction.atomic
def session_start(*, user: User, now: datetime | None = None) -> TokenPair:
    """Open a session for a user whose password was just checked. Raises LoginRefused if it has changed meanwhile."""
    now = now or timezone.now()
    # The row's lock makes a password reset either see this session and end it, or come first and be seen here.
    unchanged = User.objects.filter(pk=user.pk, password=user.password, is_active=True)
    if not unchanged.update(last_login=now):
        raise LoginRefused
    pair = _pair(Session.objects.create(user=user), now)
    _trim_sessions(user)
    return pair


def _trim_sessions(user: User) -> None:
    """End the oldest sessions of a user who has more than SESSIONS_PER_USER, and forget as many that are over (1 query where none is)."""
    most = settings.SESSIONS_PER_USER
    newest_first = list(user.sessions.order_by("-pk").values_list("pk", "revoked_at"))
    is_open = [pk for pk, revoked_at in newest_first if revoked_at is None]
    is_over = [pk for pk, revoked_at in newest_first if revoked_at is not None]
    if len(is_open) > most:
        Session.objects.filter(pk__in=is_open[most:]).revoke()
    if len(is_over) > most:
        Session.objects.filter(pk__in=is_over[most:]).delete()


def session_refresh(*, token: str, now: datetime | None = None) -> TokenPair:
    """Exchange a refresh token for a new pair; the token itself ends after a grace. Raises RefreshRefused.

    A token used after the grace ends its whole session.
    """
    now = now or timezone.now()
    held = RefreshToken.objects.with_digest(digest(token)).select_related("session__user").first()
    if held is None or held.session.revoked_at is not None or not held.session.user.is_active:
        raise RefreshRefused
    pair = _rotated(held, now)
    if pair is None:
        log.warning("refresh_token_reused", session_id=held.session_id, user_id=held.session.user_id)
        Session.objects.filter(pk=held.session_id).revoke(now)
        raise RefreshRefused
    return pair


@transaction.atomic
def _rotated(held: RefreshToken, now: datetime) -> TokenPair | None:
    """Return a new pair, or None where the token was rotated too long ago. Raises RefreshRefused if it has expired."""
    row = RefreshToken.objects.filter(pk=held.pk)
    is_first = row.filter(rotated_at__isnull=True, expires_at__gt=now).update(rotated_at=now) == 1
    if not is_first:  # a parallel request was, or it was used long ago, or its time is over
        rotated_at = row.values_list("rotated_at", flat=True).first()
        if rotated_at is None:
            raise RefreshRefused
        if now - rotated_at > settings.REFRESH_TOKEN_GRACE:
            return None
    pair = _pair(held.session, now)
    spare = held.session.tokens.order_by("-pk").values("pk")[TOKENS_PER_SESSION : TOKENS_PER_SESSION + 100]
    RefreshToken.objects.filter(pk__in=spare).delete()
    return pair


def session_revoke(*, token: str) -> None:
    """End the session that a refresh token belongs to; an unknown token is no error."""
    Session.objects.filter(tokens__digest=digest(token)).revoke()


def sessions_revoke_all(*, user: User) -> int:
    """End every session of a user and return how many were open; with them end access tokens, phones and live sockets."""
    return user.sessions.revoke()


@transaction.atomic
def sessions_cleanup(*, now: datetime | None = None) -> int:
    """Delete what no longer opens anything, and return the rows: expired refresh tokens and resets, sessions without tokens.

    A phone that registered before its session was noted goes where its user has no session left.
    """
    now = now or timezone.now()
    expired = [RefreshToken.objects.expired(now), PasswordReset.objects.expired(now)]
    deleted = [rows.delete()[0] for rows in expired]
    deleted.append(Session.objects.filter(tokens__isnull=True).delete()[0])
    deleted.append(PushToken.objects.of_no_session().delete()[0])
    return sum(deleted)
