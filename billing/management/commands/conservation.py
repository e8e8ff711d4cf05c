"""`manage.py conservation`: says of every accepted event whether it is pending, billed, zero-rated or excluded."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from agents.models import Customer
from billing import conservation
from billing.conservation import Conserved
from billing.management import arguments


class Command(BaseCommand):
    """Counts events by customer, meter and state; ends with an error where one is in none, or in two."""

    help = "Check that every accepted event used in a time is in exactly one state, per customer and meter."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare of when, and of whom."""
        parser.add_argument(
            "--from", dest="first", type=arguments.instant, required=True, help="ISO 8601, with an offset"
        )
        parser.add_argument("--to", dest="last", type=arguments.instant, help="exclusive; now, where it is not given")
        parser.add_argument("--customer", help="key of one customer; all, where it is not given")

    @override
    def handle(self, *_: Any, **options: Any) -> None:
        """Count, print, and complain."""
        customers = Customer.objects.order_by("key")
        if options["customer"]:
            customers = customers.filter(key=options["customer"])
            if not customers.exists():
                raise CommandError(f"There is no customer {options['customer']!r}.")
        bounds = {"starts_at": options["first"], "ends_at": options["last"] or datetime.now(UTC)}
        table = Table("customer", "meter", "events", "state", "rule or reason")
        lost = sum(_add(table, one) for one in conservation.check(customers=customers, **bounds))
        for customer in customers:
            if number := conservation.unmatched(customer=customer, **bounds):
                table.add_row(customer.key, "", str(number), conservation.EXCLUDED, "no meter counts it")
        Console(file=self.stdout, width=140, soft_wrap=True).print(table)  # type: ignore[arg-type]  # Django's wrapper writes as a file does
        if lost:
            raise CommandError(f"{lost} events are not in exactly one state.")


def _add(table: Table, one: Conserved) -> int:
    """Add the rows of a customer and meter; return how many of its events are in no state, or in two."""
    for (state, why), number in one.states.items():
        table.add_row(one.customer, one.meter, str(number), state, why)
    if one.lost:
        table.add_row(one.customer, one.meter, str(one.lost), "LOST", "in no state, or in two")
    return abs(one.lost)
