"""The Celery application; the schedule is kept in the database and edited in the admin."""

import os
from typing import Any

import structlog
from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
app = Celery("ecowatt")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

OPTIONAL = {
    "mail by Brevo": "BREVO_API_KEY",
    "push messages": "FIREBASE_CREDENTIALS_PATH",
    "advice by Gemini": "GEMINIS_API_KEY",
    "notes to Discord": "DISCORD_WEBHOOK_URL",
}


@signals.setup_logging.connect
def _keep_our_logging(**kwargs: Any) -> None:
    """Leave logging as the settings made it."""


@signals.worker_ready.connect
def services_off(**kwargs: Any) -> list[str]:
    """Say once at start which outside services are off, and what turns them on; return their settings' names."""
    from django.conf import settings

    off = [setting for setting in OPTIONAL.values() if not getattr(settings, setting)]
    for what, setting in OPTIONAL.items():
        if setting in off:
            structlog.get_logger(__name__).warning(f"off until {setting} is set: {what}")
    return off
