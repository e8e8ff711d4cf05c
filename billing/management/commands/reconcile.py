"""Compare our books with Stripe's, keep what differs as findings, and list them."""

import argparse
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from typing_extensions import override

from billing.stripe import reconcile
from billing.stripe.errors import CollectionError


class Command(BaseCommand):
    help = "Compare our books with Stripe's, both ways, and keep what differs; exits with 1 where anything does."

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=day, metavar="YYYY-MM-DD", help="only invoices issued from this day (UTC) on"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = reconcile.run(now=timezone.now(), since=options["since"])
        except CollectionError as error:
            raise CommandError(str(error)) from error
        for finding in result.findings:
            at_risk = f", {finding.at_risk} at risk" if finding.at_risk else ""
            self.stdout.write(f"{finding.severity} {finding.kind}: {finding.subject}{at_risk}")
            self.stdout.write(f"    {finding.detail}")
            self.stdout.write(f"    {finding.action}")
        self.stdout.write(f"{result.ours} issued invoices compared with {result.theirs} at Stripe.")
        if result.findings:
            raise CommandError(f"{len(result.findings)} findings.")


def day(text: str) -> datetime:
    """Read a date as the start of that day in UTC; raises argparse's error for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write YYYY-MM-DD") from None
