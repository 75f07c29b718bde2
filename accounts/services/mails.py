"""Mails about an account: Spanish, as text and as HTML."""

from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import gettext as _


def account_mail(*, to: str, subject: str, template: str, **context: Any) -> EmailMultiAlternatives:
    """Return a mail from the two templates of the name.

    No mail repeats a user's name: anybody can register a stranger's address with an advertisement as name.
    """
    mail = EmailMultiAlternatives(subject=subject, body=render_to_string(f"accounts/mail/{template}.txt", context), to=[to])
    mail.attach_alternative(render_to_string(f"accounts/mail/{template}.html", context), "text/html")
    return mail


def email_change_tell(*, before: str) -> None:
    """Tell the address that an account had that it has another one now, which a thief would change first.

    Raises what the mail backend raises.
    """
    account_mail(to=before, subject=_("Cambió el correo de tu cuenta de EcoWatt"), template="email_changed").send()
