"""Puts the customers of a plan's other versions on one: `manage.py move_customers team --number 2 --preview`."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import moves
from billing.changes import Act
from billing.models import PlanVersion
from billing.moves import Move


class Command(BaseCommand):
    help = "Move each customer at the end of its running period. Who cannot be moved stays, and is named at the end."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("plan", help="key of the plan")
        parser.add_argument("--number", type=int, required=True, help="number of the version to move to")
        parser.add_argument("--actor", required=True, help="who asks for it")
        parser.add_argument("--reason", default="", help="why")
        parser.add_argument("--preview", action="store_true", help="only show what would become of each")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        version = PlanVersion.objects.filter(plan__key=options["plan"], number=options["number"]).first()
        if version is None:
            raise CommandError(f"There is no version {options['number']} of {options['plan']}.")
        act = Act(actor=options["actor"], reason=options["reason"], now=datetime.now(UTC))
        found = moves.preview_migration if options["preview"] else moves.migrate
        refused = 0
        for move in found(version=version, act=act):
            self.stdout.write(_text(move))
            refused += bool(move.refusal)
        if refused:
            raise CommandError(f"{refused} customers stay where they are.")


def _text(move: Move) -> str:
    customer = move.subscription.customer.key
    if move.refusal or move.at is None:
        return f"{customer}: stays, {move.refusal}"
    foretold = "" if move.preview is None else f", next invoice {move.preview.invoices[-1].total}"
    return f"{customer}: from {move.at.isoformat()}{foretold}"
