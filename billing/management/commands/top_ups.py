"""Lists the top-ups that wait for money, and turns those whose money has come into credit: `manage.py top_ups`."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import top_ups
from billing.errors import BillingError
from billing.models import TopUp
from billing.models.top_ups import TopUpStatus


class Command(BaseCommand):
    help = "List the top-ups that wait for money; with --settle and --payment, turn one into credit, once."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--settle", type=int, metavar="ID", help="the top-up whose money has come")
        parser.add_argument("--payment", help="reference of the transfer, or the provider's id")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if options["settle"] is not None:
            self._settle(options["settle"], options["payment"])
            return
        waiting = TopUp.objects.filter(status=TopUpStatus.DUE).select_related("rule__customer").order_by("pk")
        for row in waiting:
            rule = row.rule
            self.stdout.write(f"{row.pk}: {rule.customer.key} {row.amount.normalize():f} {rule.currency}, {row.day}")

    def _settle(self, top_up_id: int, payment: str | None) -> None:
        if not payment:
            raise CommandError("--payment: name the money that has come.")
        row = TopUp.objects.filter(pk=top_up_id).first()
        if row is None:
            raise CommandError(f"--settle: there is no top-up {top_up_id}.")
        try:
            granted = top_ups.settle(top_up=row, payment=payment, now=datetime.now(UTC))
        except BillingError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Credit: {granted}")
