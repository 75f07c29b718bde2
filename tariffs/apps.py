from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class TariffsConfig(AppConfig):
    name = "tariffs"
    verbose_name = _("Tarifas")

    def ready(self) -> None:
        """Register the check, which needs the models, and let a contract know of energy that its home returns."""
        from accounts import contract_proposals as proposals
        from tariffs.checks import prices_are_published
        from tariffs.selectors.outlook import generation_proposed

        register(prices_are_published, Tags.database)
        proposals.register(generation_proposed)
