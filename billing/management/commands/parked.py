"""`manage.py parked`: lists what waits for a person, and lets it go on."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from billing import parking, reviews
from billing.errors import BillingError
from billing.models import BillingPeriod, Invoice
from billing.models.invoices import InvoiceStatus
from billing.models.subscriptions import PeriodStatus


class Command(BaseCommand):
    """Shows parked periods and waiting drafts; retries, releases, issues and discards."""

    help = "List parked periods and drafts under review; let one go on, saying who and why."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be done, to what, by whom."""
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--retry", type=int, metavar="PERIOD", help="close it again, within the bounds")
        chosen.add_argument("--release", type=int, metavar="PERIOD", help="close it whatever it comes to")
        chosen.add_argument("--issue", type=int, metavar="DRAFT", help="issue a draft before its review is over")
        chosen.add_argument("--discard", type=int, metavar="DRAFT", help="throw a draft away and close again")
        parser.add_argument("--by", default="", help="who does so")
        parser.add_argument("--reason", default="", help="why")

    @override
    def handle(self, *_: Any, **options: Any) -> None:
        """Do the one thing asked for, or list."""
        who = {"by": options["by"], "reason": options["reason"], "now": datetime.now(UTC)}
        try:
            if options["retry"] is not None:
                if not parking.retry(period_id=options["retry"]):
                    raise CommandError(f"Period {options['retry']} is not parked.")
            elif options["release"] is not None:
                parking.release(period_id=options["release"], **who)
            elif options["issue"] is not None:
                reviews.issue_early(invoice_id=options["issue"], **who)
            elif options["discard"] is not None:
                reviews.discard(invoice_id=options["discard"], **who)
            else:
                self._list()
        except (BillingError, BillingPeriod.DoesNotExist, Invoice.DoesNotExist) as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        out = Console(file=self.stdout, width=160, soft_wrap=True)  # type: ignore[arg-type]  # Django's wrapper writes as a file does
        table = Table("what", "id", "customer", "period", "why")
        parked = BillingPeriod.objects.filter(status=PeriodStatus.PARKED).select_related("subscription__customer")
        for period in parked.order_by("pk"):
            table.add_row("parked", str(period.pk), period.subscription.customer.key, str(period), period.parked_reason)
        drafts = Invoice.objects.filter(status=InvoiceStatus.DRAFT, merged_into__isnull=True)
        for draft in drafts.select_related("customer", "period").order_by("pk"):
            until = "until a person issues it" if draft.review_until is None else f"until {draft.review_until}"
            table.add_row("draft", str(draft.pk), draft.customer.key, str(draft.period), f"waits {until}")
        out.print(table)
