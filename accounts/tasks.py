"""What accounts do apart from requests."""

import structlog
from anymail.exceptions import AnymailError
from celery import shared_task
from django.db import InterfaceError, OperationalError

from accounts import services

log = structlog.get_logger(__name__)


@shared_task(
    ignore_result=True,
    autoretry_for=(AnymailError, OSError, OperationalError, InterfaceError),  # SMTP's errors are OSErrors
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=6,
)
def password_reset_mail(email: str) -> None:
    """Mail a reset token. It is made here and not in the request, so that no token travels through the broker or its logs."""
    services.password_reset_request(email=email)


@shared_task(ignore_result=True, autoretry_for=(OperationalError,), retry_backoff=True)
def sessions_cleanup() -> None:
    """Delete expired refresh tokens and resets."""
    log.info("sessions_cleaned_up", rows=services.sessions_cleanup())
