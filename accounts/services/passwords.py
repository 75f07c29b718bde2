"""A forgotten password: a token that is mailed, and what it opens."""

from datetime import datetime

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.exceptions import Busy, ResetRefused, TooManyAttempts
from accounts.models import PasswordReset, User
from accounts.security import password_guesses as guesses
from accounts.security import password_hashing as hashing
from accounts.security import rate_limits as limits
from accounts.security.secret_tokens import digest, new_token
from accounts.services.mails import account_mail


def password_check(*, email: str, password: str, network: str = "") -> User | None:
    """Return the active user with the e-mail and the password, or None. Raises TooManyAttempts, Busy.

    It takes one hash whether or not the account exists. Only failures count towards the limits.
    """
    user = User.objects.find(email)
    guess = guesses.Guess(limits.account(user.email if user else email), network)
    try:
        with hashing.turn(network):
            is_right = user.check_password(password) if user else not make_password(password)
    except (Busy, TooManyAttempts):
        guess.take_back()
        raise
    if not is_right or not user or not user.is_active:
        return None
    guess.take_back()
    return user


def password_reset_request(*, email: str, now: datetime | None = None) -> bool:
    """Mail a reset token to the account with the e-mail, if there is an active one; tell whether a mail went out.

    Raises what the mail backend raises. A token whose mail failed is known to nobody and simply expires.
    """
    user = User.objects.find(email)
    if user is None or not user.is_active:
        return False
    token = new_token()
    expires_at = (now or timezone.now()) + settings.PASSWORD_RESET_LIFETIME
    PasswordReset.objects.create(user=user, digest=digest(token), expires_at=expires_at)
    _reset_mail(to=user.email, token=token).send()
    return True


def _reset_mail(*, to: str, token: str) -> EmailMultiAlternatives:
    minutes = int(settings.PASSWORD_RESET_LIFETIME.total_seconds() // 60)
    return account_mail(
        to=to, subject=_("Restablece tu contraseña de EcoWatt"), template="password_reset", token=token, minutes=minutes
    )


def password_reset_confirm(*, token: str, new_password: str, network: str = "", now: datetime | None = None) -> User:
    """Use up a reset token: set the password and end every session and every other reset. Wrong guesses of others are forgotten.

    Raises ResetRefused, TooManyAttempts, Busy.
    """
    now = now or timezone.now()
    reset = PasswordReset.objects.open(now).filter(digest=digest(token), user__is_active=True).select_related("user").first()
    if reset is None:
        raise ResetRefused
    user = reset.user
    with hashing.turn(network):  # slow on purpose, so before anything is locked
        user.set_password(new_password)
    with transaction.atomic():
        # The user first: two resets of one account, or a reset and a login, take their locks in the same order.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if PasswordReset.objects.open(now).filter(pk=reset.pk).update(used_at=now) != 1:
            raise ResetRefused
        PasswordReset.objects.open(now).filter(user=user).update(used_at=now)
        user.save(update_fields=["password"])  # which ends the sessions
    guesses.forget(limits.account(user.email))
    return user
