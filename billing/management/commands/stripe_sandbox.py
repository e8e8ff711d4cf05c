"""Run the local stand-in for Stripe: it needs no database, no account and no network."""

import argparse
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from billing.stripe.sandbox import server
from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.settings import DEFAULT_API_KEY, DEFAULT_WEBHOOK_SECRET, TEST_PREFIX
from billing.stripe.sandbox.webhooks import is_loopback

DEFAULT_PORT = 12111


class Command(BaseCommand):
    help = "Run the Stripe sandbox; its page lists the invoices, to be paid, declined and disputed by a click."
    requires_system_checks = []

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        folder: Path = settings.LOCAL_DIR
        parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen at; 0 takes a free one")
        parser.add_argument(
            "--database", type=Path, default=folder / "stripe-sandbox.sqlite3", help="file of its state"
        )
        parser.add_argument("--webhook-url", default=own_endpoint(), help="where to post events; on this machine only")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        options["database"].parent.mkdir(parents=True, exist_ok=True)
        try:
            server.run(
                host=options["host"],
                port=options["port"],
                database=options["database"],
                webhook_url=options["webhook_url"] or None,
                webhook_secret=signing_secret(),
                api_key=settings.STRIPE_API_KEY if settings.STRIPE_API_KEY.startswith(TEST_PREFIX) else DEFAULT_API_KEY,
            )
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("The sandbox was stopped; its state stays in the file.")


def own_endpoint() -> str:
    """The service's own door for webhooks, where it is on this machine; else none."""
    parts = urlsplit(settings.PUBLIC_URL)
    is_here = parts.scheme == "http" and is_loopback(host=parts.hostname or "")
    return f"{settings.PUBLIC_URL.rstrip('/')}/webhooks/stripe" if is_here else ""


def signing_secret() -> str:
    """What events are signed with: the newest of the service's secrets."""
    return str(settings.STRIPE_WEBHOOK_SECRET).partition(",")[0].strip() or DEFAULT_WEBHOOK_SECRET
