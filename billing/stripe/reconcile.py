"""Compares our books with Stripe's, both ways, and with the devices' chains; lists what differs, and repairs nothing.

The list is (a) to (j) of stripe.md C11. `vicinity` holds what is not about a single invoice.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q

from billing.models import Invoice, OutboxMessage
from billing.models.findings import FindingKind
from billing.models.invoices import InvoiceStatus
from billing.models.payments import OutboxState
from billing.money import Money
from billing.stripe import client as stripe_client
from billing.stripe import comparison, content, findings, gateway, installation, outbox, vicinity
from billing.stripe.counterparts import RemoteInvoice
from billing.stripe.findings import Found

# Until then a fresh invoice may simply be on its way.
DELIVERY_GRACE: Final = timedelta(hours=1)
# Stripe's invoices are made after ours; clocks may differ.
CLOCK_MARGIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What was compared, and what was found."""

    ours: int
    theirs: int
    findings: Sequence[Found]


def run(*, now: datetime, since: datetime | None = None) -> Reconciliation:
    """Compare, and keep what was found as rows; what was found before and is gone is resolved.

    With `since`, only what is about invoices issued from then on can be resolved. Raises as `compare`.
    """
    result = compare(now=now, since=since)
    resolves = Q() if since is None else Q(invoice__issued_at__gte=since)
    findings.keep(found=result.findings, resolves=resolves, now=now)
    return result


def compare(*, now: datetime, since: datetime | None = None) -> Reconciliation:
    """Compare invoices issued since a moment (all, where none is given) with those at Stripe that name one of ours.

    Invoices with nothing to pay never go to Stripe and are left out. Raises CallError where Stripe cannot be read.
    """
    client = stripe_client.connect()
    theirs = _by_number(since)
    issued = (
        Invoice.objects.exclude(status=InvoiceStatus.DRAFT)
        .filter(total__gt=F("prepaid"))
        .select_related("customer__stripe", "stripe")
    )
    ours = {str(invoice.number): invoice for invoice in issued.filter(_since(since)).order_by("number")}
    known = set(issued.filter(number__in=theirs).values_list("number", flat=True))
    waiting = _Waiting(list(ours.values()))
    found = [one for number in ours for one in _judge(ours[number], theirs.get(number, []), waiting, now)]
    found += [_missing_here(remote) for number in theirs if number not in known for remote in theirs[number]]
    found += vicinity.look(client, since=since, now=now)
    return Reconciliation(ours=len(ours), theirs=sum(map(len, theirs.values())), findings=found)


class _Waiting:
    """The first message that each invoice waits for, read once for all."""

    def __init__(self, invoices: Sequence[Invoice]) -> None:
        self._by_invoice: dict[int, OutboxMessage] = {}
        self._by_customer: dict[int, OutboxMessage] = {}
        for message in outbox.stuck(invoices=[invoice.pk for invoice in invoices]):
            first = self._by_customer if message.invoice_id is None else self._by_invoice
            first.setdefault(message.invoice_id or message.customer_id, message)

    def of(self, invoice: Invoice) -> OutboxMessage | None:
        return self._by_customer.get(invoice.customer_id) or self._by_invoice.get(invoice.pk)


def _since(since: datetime | None) -> Q:
    return Q() if since is None else Q(issued_at__gte=since)


def _by_number(since: datetime | None) -> Mapping[str, list[RemoteInvoice]]:
    created_since = None if since is None else since - CLOCK_MARGIN
    name = installation.token()
    found: dict[str, list[RemoteInvoice]] = defaultdict(list)
    for remote in gateway.list_invoices(stripe_client.connect(), created_since=created_since):
        if remote.metadata.get(content.INSTALLATION) == name and content.INVOICE in remote.metadata:
            found[remote.metadata[content.INVOICE]].append(remote)
    return dict(found)


def _judge(invoice: Invoice, remotes: Sequence[RemoteInvoice], waiting: _Waiting, now: datetime) -> Iterator[Found]:
    """Compare one invoice of ours with what names it at Stripe."""
    stuck = waiting.of(invoice)
    if not remotes and invoice.status != InvoiceStatus.VOID and not _is_on_its_way(invoice, stuck, now):
        yield _found(FindingKind.MISSING_THERE, invoice, None, _told(stuck) or "nothing in the outbox waits")
    if len(remotes) > 1:
        ids = ", ".join(remote.stripe_id for remote in remotes)
        yield _found(FindingKind.DUPLICATE, invoice, None, f"{len(remotes)} invoices at Stripe name it: {ids}.")
    for remote in remotes:
        yield from _mismatches(invoice, remote, stuck, now)


def _mismatches(invoice: Invoice, remote: RemoteInvoice, stuck: OutboxMessage | None, now: datetime) -> Iterator[Found]:
    if remote.status == "draft":
        if _is_on_its_way(invoice, stuck, now):
            return
        yield _found(FindingKind.OLD_DRAFT, invoice, remote, _told(stuck) or "It is a draft, and nothing waits.")
    row = getattr(invoice.customer, "stripe", None)
    customer_id = row.stripe_id if row else remote.customer_id
    if differing := comparison.differences(invoice=invoice, remote=remote, customer_id=customer_id):
        yield _found(FindingKind.CONTENT, invoice, remote, "; ".join(differing))
    if remote.status not in {invoice.status, "draft"}:
        states = f"{remote.status} there, {invoice.status} here"
        yield _found(FindingKind.STATUS, invoice, remote, "; ".join(filter(None, [states, _told(stuck)])))
    if remote.livemode != stripe_client.is_live():
        yield _found(FindingKind.MODE, invoice, remote, f"{remote.stripe_id} has the other mode than the key.")
    if remote.moved_to_balance:
        moved = comparison.amount_text(remote.moved_to_balance, remote.currency)
        yield _found(FindingKind.BALANCE, invoice, remote, f"{moved} of it went to the customer's balance at Stripe.")


def _told(stuck: OutboxMessage | None) -> str:
    return "" if stuck is None else ": ".join(filter(None, [f"{stuck.key} is {stuck.state}", stuck.error]))


def _is_on_its_way(invoice: Invoice, stuck: OutboxMessage | None, now: datetime) -> bool:
    """Say whether a fresh invoice may still be half delivered; one whose delivery failed is not."""
    has_failed = stuck is not None and stuck.state == OutboxState.FAILED
    return not has_failed and invoice.issued_at is not None and now - invoice.issued_at < DELIVERY_GRACE


def _missing_here(remote: RemoteInvoice) -> Found:
    at_risk = comparison.amount_text(remote.total, remote.currency)
    return Found(
        kind=FindingKind.MISSING_HERE,
        subject=remote.stripe_id,
        stripe_id=remote.stripe_id,
        at_risk=comparison.money_of(remote.total, remote.currency),
        detail=f"{remote.status} at Stripe over {at_risk}; no issued invoice of ours has the number"
        f" {remote.metadata[content.INVOICE]}",
    )


def _found(kind: FindingKind, invoice: Invoice, remote: RemoteInvoice | None, detail: str) -> Found:
    return Found(
        kind=kind,
        subject=f"{invoice.number} {remote.stripe_id}" if remote else str(invoice.number),
        customer_id=invoice.customer_id,
        invoice_id=invoice.pk,
        stripe_id=remote.stripe_id if remote else "",
        at_risk=Money(invoice.due, invoice.currency),
        detail=detail,
    )
