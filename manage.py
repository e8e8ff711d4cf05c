#!/usr/bin/env python
"""The command line of the service; starts the embedded servers where a command needs them and none are given."""

import os
import sys

# Commands that must work with no server at all.
SERVERLESS = {"services", "help", "check", "makemigrations", "stripe_sandbox", "version", "--version", "--help"}


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command not in SERVERLESS:
        from config.services.home import start_or_explain  # noqa: PLC0415 settings read what this leaves behind

        start_or_explain()
    from django.core.management import execute_from_command_line  # noqa: PLC0415 after the servers

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
