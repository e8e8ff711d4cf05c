"""What was found to differ, as rows: seen first, seen last, gone; for a person to act on. Nothing repairs itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from django.db import transaction
from django.db.models import F, Q, Sum

from agents.models import Customer
from billing.models import Finding, Invoice
from billing.models.findings import FindingKind, Severity
from billing.models.invoices import InvoiceStatus
from billing.money import Money

_ACTIONS: Final[Mapping[FindingKind, tuple[Severity, str]]] = MappingProxyType(
    {
        FindingKind.MISSING_THERE: (
            Severity.MEDIUM,
            "Nothing is collected for it. Put right what the message says, then `manage.py outbox --retry KEY`.",
        ),
        FindingKind.MISSING_HERE: (
            Severity.HIGH,
            "Somebody made it past this service. Void it at Stripe, or find out which database it belongs to.",
        ),
        FindingKind.CONTENT: (
            Severity.HIGH,
            "The customer is asked for something else than we claim. Void it at Stripe and ask again, or credit it.",
        ),
        FindingKind.STATUS: (
            Severity.MEDIUM,
            "Bring the two together by hand: what was voided or written off at Stripe, do here too, or ask again.",
        ),
        FindingKind.PAYMENTS: (
            Severity.HIGH,
            "Money came that our books do not have, or the other way round. Look at the payment and at the inbox.",
        ),
        FindingKind.DUPLICATE: (
            Severity.HIGH,
            "The customer may pay twice. Void all but the one that our row names, and refund what was paid double.",
        ),
        FindingKind.OLD_DRAFT: (Severity.MEDIUM, "Finalize it by asking again, or delete it at Stripe."),
        FindingKind.CUSTOMER_GONE: (
            Severity.HIGH,
            "Deleted at Stripe, with its card and balance; it is never made again by itself. Name another one:"
            " `manage.py outbox --relink CUSTOMER cus_…`.",
        ),
        FindingKind.MODE: (Severity.HIGH, "Live and test mode met. Find out which key is configured where."),
        FindingKind.CREDIT_NOTE: (Severity.HIGH, "Void the one that should not be, or write the one that is missing."),
        FindingKind.REFUND: (
            Severity.HIGH,
            "Money went back that no credit note of ours says, or did not go back. Write the note, or refund again.",
        ),
        FindingKind.BALANCE: (
            Severity.LOW,
            "Stripe keeps it on the customer's balance there and takes it with the next invoice. Nothing to do, unless"
            " there will be none.",
        ),
        FindingKind.UNDELIVERED: (Severity.LOW, "It was taken in now. Look at why the endpoint did not take it."),
        FindingKind.UNAPPLIED: (Severity.MEDIUM, "Put right what the event says; it is tried again meanwhile."),
        FindingKind.OTHER_VERSION: (Severity.LOW, "Give the endpoint at Stripe the version of this service."),
        FindingKind.DISPUTE: (Severity.HIGH, "Send evidence at Stripe before it is due; a lost dispute is owed again."),
        FindingKind.STUCK: (Severity.MEDIUM, "Put right what it says, then `manage.py outbox --retry KEY`."),
        FindingKind.CHAIN_INCOMPLETE: (
            Severity.MEDIUM,
            "The device may hold usage of a billed period, or its chain has a gap. Look at it, then at late usage.",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference; `subject` names of what, `at_risk` is the amount in question, `detail` is for a person."""

    kind: FindingKind
    subject: str
    detail: str
    at_risk: Money | None = None
    customer_id: int | None = None
    invoice_id: int | None = None
    stripe_id: str = ""
    severity: Severity = field(init=False)
    action: str = field(init=False)

    def __post_init__(self) -> None:
        severity, action = _ACTIONS[self.kind]
        object.__setattr__(self, "severity", severity)
        object.__setattr__(self, "action", action)


@transaction.atomic
def keep(*, found: Iterable[Found], resolves: Q | None, now: datetime) -> None:
    """Keep what was found; open rows that `resolves` covers and that were not found again are resolved.

    None resolves nothing. A difference that comes back later is a new row, so that its history stays.
    """
    seen = {(one.kind, one.subject): one for one in found}
    for one in seen.values():
        _note(one, now)
    if resolves is not None:
        gone = Finding.objects.filter(resolves, resolved_at__isnull=True, last_seen_at__lt=now)
        gone.update(resolved_at=now)


def note_gone(*, customer: Customer, reason: str, now: datetime) -> None:
    """Tell that a customer was deleted at Stripe; all its open invoices are at risk."""
    keep(found=[gone(customer=customer, reason=reason)], resolves=None, now=now)


def gone(*, customer: Customer, reason: str) -> Found:
    """Return the finding for a customer that was deleted at Stripe."""
    owed = Invoice.objects.filter(customer=customer, status=InvoiceStatus.OPEN, currency=customer.currency)
    at_risk = owed.aggregate(sum=Sum(F("total") - F("prepaid")))["sum"]
    return Found(
        kind=FindingKind.CUSTOMER_GONE,
        subject=customer.key,
        detail=reason,
        at_risk=None if at_risk is None else Money(at_risk, customer.currency),
        customer_id=customer.pk,
    )


def _note(one: Found, now: datetime) -> None:
    facts = {
        "severity": one.severity,
        "customer_id": one.customer_id,
        "invoice_id": one.invoice_id,
        "stripe_id": one.stripe_id,
        "at_risk": None if one.at_risk is None else one.at_risk.amount,
        "currency": "" if one.at_risk is None else one.at_risk.currency,
        "detail": one.detail,
        "action": one.action,
        "last_seen_at": now,
    }
    open_rows = Finding.objects.filter(kind=one.kind, subject=one.subject, resolved_at__isnull=True)
    if not open_rows.update(**facts):
        row = Finding(kind=one.kind, subject=one.subject, first_seen_at=now, **facts)
        Finding.objects.bulk_create([row], ignore_conflicts=True)  # somebody else may find it at the same moment
