"""Django's entry for the package."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Registers the models of `billing`."""

    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"
