"""Show what waits to be asked of Stripe, and ask again what failed."""

import argparse
import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from typing_extensions import override

from agents.models import Customer
from billing.errors import BillingError
from billing.stripe import outbox, relinking


class Command(BaseCommand):
    help = "List the messages to Stripe that are not over; ask a failed one again, or name another Stripe customer."

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--retry", metavar="KEY", help="ask this failed message again, under a new key")
        parser.add_argument("--reason", default="", help="why it will go better now; kept with the message")
        parser.add_argument(
            "--relink",
            nargs=2,
            metavar=("CUSTOMER", "STRIPE_ID"),
            help="the customer at Stripe instead of a deleted one",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["retry"]:
                self._retry(options["retry"], options["reason"])
            elif options["relink"]:
                self._relink(*options["relink"])
            else:
                self._list()
        except BillingError as error:
            raise CommandError(str(error)) from error

    def _retry(self, key: str, reason: str) -> None:
        if not reason.strip():
            raise CommandError("--reason: say why it will go better now.")
        made = outbox.retry(key=key, reason=reason, actor=getpass.getuser(), now=timezone.now())
        self.stdout.write(f"{made.key} is {made.state}.")

    def _relink(self, key: str, stripe_id: str) -> None:
        customer = Customer.objects.filter(key=key).first()
        if customer is None:
            raise CommandError(f"There is no customer {key}.")
        relinking.relink(customer=customer, stripe_id=stripe_id, now=timezone.now())
        self.stdout.write(f"{key} is {stripe_id} at Stripe; what waited for it goes on.")

    def _list(self) -> None:
        for message in outbox.stuck():
            error = f"\n    {message.error}" if message.error else ""
            self.stdout.write(f"{message.state} {message.key}, {message.attempts} attempts{error}")
