from django.apps import AppConfig


class EcowattConfig(AppConfig):
    """The project's own commands and wiring."""

    name = "ecowatt"
