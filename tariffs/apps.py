from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class TariffsConfig(AppConfig):
    """Tariffs."""

    name = "tariffs"
    verbose_name = _("Tarifas")

    def ready(self) -> None:
        """Register the check, which needs the models."""
        from tariffs.checks import prices_are_published

        register(prices_are_published, Tags.database)
