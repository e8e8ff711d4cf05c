"""Writes the balance of every account and currency, and exits with 1 where the books do not sum to zero."""

import csv
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import ledger
from billing.ledger import Balance
from billing.management import arguments
from billing.rating.numbers import text_of

_DAY = timedelta(days=1)


class Command(BaseCommand):
    help = "Show what every account holds, virtual currencies included; debit positive, credit negative."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--at", type=arguments.day, metavar="DATE", help="as of the end of this day (UTC)")
        parser.add_argument("--format", choices=["text", "csv", "json"], default="text")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        at: datetime | None = options["at"]
        rows = ledger.trial_balance(before=at + _DAY if at else None, with_units=True)
        off = {currency: amount for currency, amount in ledger.difference(balances=rows).items() if amount}
        {"text": self._write_text, "csv": self._write_csv, "json": self._write_json}[options["format"]](rows)
        if off:
            told = ", ".join(f"{text_of(amount)} {currency}" for currency, amount in off.items())
            raise CommandError(f"The books are off by {told}.")

    def _write_text(self, rows: Sequence[Balance]) -> None:
        width = max((len(str(row.amount)) for row in rows), default=0)
        for row in rows:
            self.stdout.write(f"{row.account:<12} {row.amount!s:>{width}}")
        for currency, amount in sorted(ledger.difference(balances=rows).items()):
            self.stdout.write(f"{'sum':<12} {f'{text_of(amount)} {currency}':>{width}}")

    def _write_csv(self, rows: Sequence[Balance]) -> None:
        writer = csv.writer(self.stdout)
        writer.writerow(("account", "currency", "balance"))
        writer.writerows((row.account.value, row.amount.currency, f"{row.amount.amount:f}") for row in rows)

    def _write_json(self, rows: Sequence[Balance]) -> None:
        told = [
            {"account": row.account.value, "currency": row.amount.currency, "balance": f"{row.amount.amount:f}"}
            for row in rows
        ]
        self.stdout.write(
            json.dumps({"balances": told, "balanced": not any(ledger.difference(balances=rows).values())}, indent=2)
        )
