"""Changes a customer's subscription, or shows what that would cost: `manage.py subscription cancel acme --preview`."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from typing_extensions import override

from agents.models import Customer
from billing import changes, previews, subscriptions
from billing.changes import Act
from billing.errors import BillingError
from billing.models import PlanVersion, Subscription, SubscriptionChange
from billing.previews import Preview
from billing.rating.lines import RatedPeriod

PERIOD_END = "period-end"
OPERATIONS = ("start", "change", "pause", "resume", "cancel", "keep")

Operation = Callable[[], Subscription | SubscriptionChange]


class Command(BaseCommand):
    help = "Start or change a customer's subscription. With --preview nothing is done: the invoices to come are shown."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("operation", choices=OPERATIONS)
        parser.add_argument("customer", help="key of the customer")
        parser.add_argument("--plan", help="key of the plan to be put on, with --number of its version")
        parser.add_argument("--number", type=int, help="number of the plan's version")
        parser.add_argument(
            "--at", type=_when, help=f"from when it holds, such as 2026-06-01T00:00:00Z or {PERIOD_END}"
        )
        parser.add_argument("--actor", required=True, help="who asks for it")
        parser.add_argument("--reason", default="", help="why")
        parser.add_argument("--invoice-at-once", action="store_true", help="end the running cycle when it holds")
        parser.add_argument("--preview", action="store_true", help="only show what would be invoiced")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        try:
            subscription = None if options["operation"] == "start" else _running(options["customer"], now)
            operation = _operation(options, subscription, now)
            if options["preview"]:
                self._show(previews.of(operation, subscription=subscription))
            else:
                self.stdout.write(f"Done: {operation()}")
        except BillingError as error:
            raise CommandError(str(error)) from error

    def _show(self, preview: Preview) -> None:
        self.stdout.write(
            f"{preview.kind} from {preview.at.isoformat()} on; if nothing more is used, this is invoiced:"
        )
        for rated in preview.invoices:
            self._show_invoice(rated)
        if preview.before is not None:
            self.stdout.write(f"Without it the next invoice would come to {preview.before.total}.")

    def _show_invoice(self, rated: RatedPeriod) -> None:
        for line in rated.lines:
            span = f"{line.starts_at:%Y-%m-%d %H:%M} to {line.ends_at:%Y-%m-%d %H:%M}"
            self.stdout.write(f"  {line.description:<40} {span}  {line.amount}")
        self.stdout.write(f"  {'Total':<40} {rated.total}")


def _operation(options: dict[str, Any], subscription: Subscription | None, now: datetime) -> Operation:
    """Return what is asked for, ready to be done or foretold."""
    act = Act(actor=options["actor"], reason=options["reason"], now=now)
    if subscription is None:
        return _start(options, now)
    if options["operation"] == "keep":
        return partial(changes.keep, subscription=subscription, act=act)
    at = options["at"] or now
    if at == PERIOD_END:
        at = changes.period_end(subscription=subscription, now=now)
    if options["operation"] == "cancel":
        return partial(changes.cancel, subscription=subscription, at=at, act=act)
    facts = {"subscription": subscription, "at": at, "act": act, "invoice_at_once": options["invoice_at_once"]}
    if options["operation"] == "change":
        return partial(changes.change_plan, version=_version(options), **facts)
    return partial(changes.pause if options["operation"] == "pause" else changes.resume, **facts)


def _start(options: dict[str, Any], now: datetime) -> Operation:
    customer = Customer.objects.filter(key=options["customer"]).first()
    if customer is None:
        raise CommandError(f"There is no customer {options['customer']}.")
    if options["at"] == PERIOD_END:
        raise CommandError("--at: a start has no period before it")
    return partial(
        subscriptions.start,
        customer=customer,
        version=_version(options),
        starts_at=options["at"] or now,
        now=now,
        actor=options["actor"],
        reason=options["reason"],
    )


def _running(customer: str, now: datetime) -> Subscription:
    running = Q(ends_at=None) | Q(ends_at__gt=now)
    found = Subscription.objects.filter(running, customer__key=customer).select_related("customer")
    subscription = found.order_by("starts_at").first()
    if subscription is None:
        raise CommandError(f"There is no customer {customer}, or it has no subscription.")
    return subscription


def _version(options: dict[str, Any]) -> PlanVersion:
    found = PlanVersion.objects.filter(plan__key=options["plan"], number=options["number"]).first()
    if found is None:
        raise CommandError(f"--plan, --number: there is no version {options['number']} of {options['plan']}.")
    return found


def _when(text: str) -> datetime | str:
    if text == PERIOD_END:
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time; write it as 2026-06-01T00:00:00Z, or {PERIOD_END}") from None
    if at.utcoffset() is None:
        raise ArgumentTypeError(f"{text!r} has no offset from UTC; write it as 2026-06-01T00:00:00Z")
    return at
