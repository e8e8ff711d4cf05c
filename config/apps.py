"""Django's entry for the wiring package: its commands, templates, static files and start-up checks."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Makes Django find the commands, templates and static files of `config`."""

    name = "config"

    def ready(self) -> None:
        """Register the start-up checks and say how to log."""
        from config import checks, logs  # noqa: F401, PLC0415 registering is an import's side effect by Django's design

        logs.configure()
