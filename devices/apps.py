from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DevicesConfig(AppConfig):
    """Devices."""

    name = "devices"
    verbose_name = _("Dispositivos")

    def ready(self) -> None:
        """Listen for changes of devices."""
        from devices import receivers  # noqa: F401
