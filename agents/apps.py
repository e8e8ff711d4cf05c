"""Django's entry for the package."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Registers the models of `agents`."""

    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"
