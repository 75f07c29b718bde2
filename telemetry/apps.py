from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TelemetryConfig(AppConfig):
    """Telemetry."""

    name = "telemetry"
    verbose_name = _("Telemetría")
