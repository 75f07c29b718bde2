"""The Celery application; the schedule is kept in the database and edited in the admin."""

import os
from typing import Any

import structlog
from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
app = Celery("ecowatt")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Outside services that work without a key, but do less; each is listed with the feature that uses it.
OPTIONAL = {"mail by Brevo": "BREVO_API_KEY"}


@signals.setup_logging.connect
def _keep_our_logging(**kwargs: Any) -> None:
    """Celery leaves logging as the settings made it where somebody listens to this signal."""


@signals.worker_ready.connect
def services_off(**kwargs: Any) -> list[str]:
    """Log once at start which outside services are off and which setting turns them on; return the settings' names."""
    from django.conf import settings

    off = [setting for setting in OPTIONAL.values() if not getattr(settings, setting)]
    for what, setting in OPTIONAL.items():
        if setting in off:
            structlog.get_logger(__name__).warning(f"off until {setting} is set: {what}")
    return off
