from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Accounts."""

    name = "accounts"
    verbose_name = _("Cuentas")

    def ready(self) -> None:
        """Listen for changes of users and memberships."""
        from accounts import receivers  # noqa: F401
