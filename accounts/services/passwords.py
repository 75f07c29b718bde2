"""A forgotten password: a token that is mailed, and what it opens."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.exceptions import ResetRefused
from accounts.models import PasswordReset, User
from accounts.secret_tokens import digest, new_token


def password_reset_request(*, email: str, now: datetime | None = None) -> bool:
    """Mail a reset token to the account with the e-mail, if there is an active one; tell whether a mail went out.

    Raises what the mail backend raises. A token whose mail failed is known to nobody and simply expires.
    """
    user = User.objects.with_email(email).filter(is_active=True).first()
    if user is None:
        return False
    token = new_token()
    expires_at = (now or timezone.now()) + settings.PASSWORD_RESET_LIFETIME
    PasswordReset.objects.create(user=user, digest=digest(token), expires_at=expires_at)
    _reset_mail(to=user.email, token=token).send()
    return True


def _reset_mail(*, to: str, token: str) -> EmailMultiAlternatives:
    # The mail does not repeat the user's name: anybody can register a stranger's address with an advertisement as name.
    context = {"token": token, "minutes": int(settings.PASSWORD_RESET_LIFETIME.total_seconds() // 60)}
    mail = EmailMultiAlternatives(
        subject=_("Restablece tu contraseña de EcoWatt"),
        body=render_to_string("accounts/mail/password_reset.txt", context),
        to=[to],
    )
    mail.attach_alternative(render_to_string("accounts/mail/password_reset.html", context), "text/html")
    return mail


def password_reset_confirm(*, token: str, new_password: str, now: datetime | None = None) -> User:
    """Use up a reset token: set the password and end every session and every other reset. Raises ResetRefused."""
    now = now or timezone.now()
    reset = PasswordReset.objects.open(now).filter(digest=digest(token), user__is_active=True).select_related("user").first()
    if reset is None:
        raise ResetRefused
    user = reset.user
    user.set_password(new_password)  # slow on purpose, so before anything is locked
    with transaction.atomic():
        # The user first: two resets of one account, or a reset and a login, take their locks in the same order.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if PasswordReset.objects.open(now).filter(pk=reset.pk).update(used_at=now) != 1:
            raise ResetRefused
        PasswordReset.objects.open(now).filter(user=user).update(used_at=now)
        user.save(update_fields=["password"])  # which ends the sessions
    return user
