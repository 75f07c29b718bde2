from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from telemetry.checks import settings_fit_together


class TelemetryConfig(AppConfig):
    """Telemetry."""

    name = "telemetry"
    verbose_name = _("Telemetría")

    def ready(self) -> None:
        """Register the checks."""
        register(settings_fit_together)
