"""Compares our issued invoices with Stripe's, both ways, and lists what differs; changes nothing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db.models import F, Q

from billing.models import Invoice, OutboxMessage
from billing.models.invoices import InvoiceStatus
from billing.models.payments import OutboxState
from billing.money import Money
from billing.stripe import client as stripe_client
from billing.stripe import comparison, content, gateway
from billing.stripe.counterparts import RemoteInvoice

# Until then a fresh invoice may simply be on its way.
DELIVERY_GRACE: Final = timedelta(hours=1)
# Stripe's invoices are made after ours; clocks may differ.
CLOCK_MARGIN: Final = timedelta(hours=1)


class Kind(StrEnum):
    """What sort of difference was found."""

    MISSING_THERE = "missing there"
    MISSING_HERE = "missing here"
    DUPLICATE = "duplicate"
    CONTENT = "content mismatch"
    STATUS = "status mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference; `at_risk` is the amount in question, `detail` says what a person should look at."""

    kind: Kind
    number: str
    stripe_id: str
    at_risk: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What was compared, and what was found."""

    ours: int
    theirs: int
    findings: Sequence[Finding]


def compare(*, now: datetime, since: datetime | None = None) -> Reconciliation:
    """Compare invoices issued since a moment (all, where none is given) with those at Stripe that name one of ours.

    Invoices with nothing to pay never go to Stripe and are left out. Raises CallError where Stripe cannot be read.
    """
    theirs = _by_number(since)
    issued = (
        Invoice.objects.exclude(status=InvoiceStatus.DRAFT)
        .filter(total__gt=F("prepaid"))
        .select_related("customer__stripe")
    )
    ours = {str(invoice.number): invoice for invoice in issued.filter(_since(since)).order_by("number")}
    known = set(issued.filter(number__in=theirs).values_list("number", flat=True))
    findings = [finding for number in ours for finding in _judge(ours[number], theirs.get(number, []), now)]
    findings += [_missing_here(remote) for number in theirs if number not in known for remote in theirs[number]]
    return Reconciliation(ours=len(ours), theirs=sum(map(len, theirs.values())), findings=findings)


def _since(since: datetime | None) -> Q:
    return Q() if since is None else Q(issued_at__gte=since)


def _by_number(since: datetime | None) -> Mapping[str, list[RemoteInvoice]]:
    created_since = None if since is None else since - CLOCK_MARGIN
    found: dict[str, list[RemoteInvoice]] = defaultdict(list)
    for remote in gateway.list_invoices(stripe_client.connect(), created_since=created_since):
        if content.INVOICE in remote.metadata:
            found[remote.metadata[content.INVOICE]].append(remote)
    return dict(found)


def _judge(invoice: Invoice, remotes: Sequence[RemoteInvoice], now: datetime) -> Iterator[Finding]:
    """Compare one invoice of ours with what names it at Stripe."""
    if not remotes:
        yield from _missing_there(invoice, now)
    if len(remotes) > 1:
        ids = ", ".join(remote.stripe_id for remote in remotes)
        yield _finding(Kind.DUPLICATE, invoice, None, f"{len(remotes)} invoices at Stripe name it: {ids}.")
    for remote in remotes:
        yield from _mismatches(invoice, remote, now)


def _missing_there(invoice: Invoice, now: datetime) -> Iterator[Finding]:
    stuck = _stuck(invoice)
    if not _is_on_its_way(invoice, stuck, now):
        yield _finding(Kind.MISSING_THERE, invoice, None, _told(stuck) or "nothing in the outbox waits")


def _mismatches(invoice: Invoice, remote: RemoteInvoice, now: datetime) -> Iterator[Finding]:
    stuck = _stuck(invoice)
    if remote.status == "draft" and _is_on_its_way(invoice, stuck, now):
        return
    row = getattr(invoice.customer, "stripe", None)
    customer_id = row.stripe_id if row else remote.customer_id
    if found := comparison.differences(invoice=invoice, remote=remote, customer_id=customer_id):
        yield _finding(Kind.CONTENT, invoice, remote, "; ".join(found))
    if remote.status != invoice.status:
        states = f"{remote.status} there, {invoice.status} here"
        yield _finding(Kind.STATUS, invoice, remote, "; ".join(filter(None, [states, _told(stuck)])))


def _stuck(invoice: Invoice) -> OutboxMessage | None:
    """The first message that its invoice waits for."""
    waiting = OutboxMessage.objects.exclude(state=OutboxState.SUCCEEDED)
    ahead = Q(invoice=invoice) | Q(invoice__isnull=True, customer=invoice.customer)
    return waiting.filter(ahead).order_by("pk").first()


def _told(stuck: OutboxMessage | None) -> str:
    return "" if stuck is None else ": ".join(filter(None, [f"{stuck.key} is {stuck.state}", stuck.error]))


def _is_on_its_way(invoice: Invoice, stuck: OutboxMessage | None, now: datetime) -> bool:
    """Say whether a fresh invoice may still be half delivered; one whose delivery failed is not."""
    has_failed = stuck is not None and stuck.state == OutboxState.FAILED
    return not has_failed and invoice.issued_at is not None and now - invoice.issued_at < DELIVERY_GRACE


def _missing_here(remote: RemoteInvoice) -> Finding:
    return Finding(
        kind=Kind.MISSING_HERE,
        number=remote.metadata[content.INVOICE],
        stripe_id=remote.stripe_id,
        at_risk=comparison.amount_text(remote.total, remote.currency),
        detail=f"{remote.status} at Stripe; no issued invoice of ours has this number",
    )


def _finding(kind: Kind, invoice: Invoice, remote: RemoteInvoice | None, detail: str) -> Finding:
    return Finding(
        kind=kind,
        number=str(invoice.number),
        stripe_id=remote.stripe_id if remote else "",
        at_risk=str(Money(invoice.due, invoice.currency)),
        detail=detail,
    )
