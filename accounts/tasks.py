"""What accounts do apart from requests."""

import kombu.exceptions
import structlog
from anymail.exceptions import AnymailError
from celery import shared_task
from django.db import InterfaceError, OperationalError

from accounts import services
from accounts.security import rate_limits as limits

log = structlog.get_logger(__name__)


mailing = shared_task(
    ignore_result=True,
    autoretry_for=(AnymailError, OSError, OperationalError, InterfaceError),  # SMTP's errors are OSErrors
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=6,
)


@mailing
def password_reset_mail(email: str) -> None:
    """Mail a reset token. It is made here and not in the request, so that no token travels through the broker or its logs."""
    services.password_reset_request(email=email)


@mailing
def email_change_mail(before: str) -> None:
    """Mail the address that an account had."""
    services.email_change_tell(before=before)


def email_change_mail_queue(*, before: str, after: str) -> None:
    """Queue the mail to the address before, unless it is the same one; a change that is made stays made where the broker is away."""
    if limits.account(before) == limits.account(after):
        return
    try:
        email_change_mail.delay(before)
    except kombu.exceptions.OperationalError:
        log.error("email_change_not_told", exc_info=True)


@shared_task(ignore_result=True, autoretry_for=(OperationalError,), retry_backoff=True)
def sessions_cleanup() -> None:
    """Delete expired refresh tokens and resets."""
    log.info("sessions_cleaned_up", rows=services.sessions_cleanup())
