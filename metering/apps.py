"""Registers metering with Django."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    """The metering app; it listens to no signals and reads no configuration."""

    name = "metering"
    label = "metering"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Metering"
