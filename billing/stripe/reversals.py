"""The calls to Stripe about what comes after an invoice: refunds, credit notes, disputes, tax, events, the portal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from stripe import StripeClient
from stripe.params import (
    CreditNoteCreateParams,
    CreditNoteListParams,
    DisputeListParams,
    RefundCreateParams,
    RefundListParams,
)
from stripe.params.billing_portal import SessionCreateParams
from stripe.params.tax import CalculationCreateParams, TransactionCreateFromCalculationParams

from billing.stripe import remotes
from billing.stripe.client import refuse_floats
from billing.stripe.gateway import PAGE, calling, reading
from billing.stripe.remotes import RemoteCalculation, RemoteCreditNote, RemoteDispute, RemoteEvent, RemoteRefund


def create_refund(client: StripeClient, *, params: Mapping[str, Any], key: str) -> RemoteRefund:
    """Give money back. Raises a CallError, as every function here."""
    refuse_floats(params)
    with calling("refund"):
        made = client.v1.refunds.create(cast("RefundCreateParams", params), {"idempotency_key": key})
        return remotes.refund_of(made)


def retrieve_refund(client: StripeClient, *, stripe_id: str) -> RemoteRefund:
    """Read a refund."""
    with reading(f"read refund {stripe_id}"):
        return remotes.refund_of(client.v1.refunds.retrieve(stripe_id))


def list_refunds(
    client: StripeClient, *, payment_id: str | None = None, created_since: datetime | None = None
) -> Iterator[RemoteRefund]:
    """Read refunds, newest first: of one payment, or made since a moment, or all."""
    params: RefundListParams = {"limit": PAGE}
    if payment_id is not None:
        params["payment_intent"] = payment_id
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with reading("list refunds"):
        for found in client.v1.refunds.list(params).auto_paging_iter():
            yield remotes.refund_of(found)


def create_credit_note(client: StripeClient, *, params: Mapping[str, Any], key: str) -> RemoteCreditNote:
    """Issue a credit note."""
    refuse_floats(params)
    with calling("issue the credit note"):
        made = client.v1.credit_notes.create(cast("CreditNoteCreateParams", params), {"idempotency_key": key})
        return remotes.credit_note_of(made)


def retrieve_credit_note(client: StripeClient, *, stripe_id: str) -> RemoteCreditNote:
    """Read a credit note."""
    with reading(f"read credit note {stripe_id}"):
        return remotes.credit_note_of(client.v1.credit_notes.retrieve(stripe_id))


def list_credit_notes(
    client: StripeClient, *, invoice: str | None = None, created_since: datetime | None = None
) -> Iterator[RemoteCreditNote]:
    """Read credit notes, newest first: of one invoice at Stripe, or made since a moment, or all."""
    params: CreditNoteListParams = {"limit": PAGE}
    if invoice is not None:
        params["invoice"] = invoice
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with reading("list credit notes"):
        for found in client.v1.credit_notes.list(params).auto_paging_iter():
            yield remotes.credit_note_of(found)


def void_credit_note(client: StripeClient, *, stripe_id: str, key: str) -> RemoteCreditNote:
    """Void a credit note."""
    with calling(f"void the credit note {stripe_id}"):
        answer = client.v1.credit_notes.void_credit_note(stripe_id, {}, {"idempotency_key": key})
        return remotes.credit_note_of(answer)


def retrieve_dispute(client: StripeClient, *, stripe_id: str) -> RemoteDispute:
    """Read a dispute."""
    with reading(f"read dispute {stripe_id}"):
        return remotes.dispute_of(client.v1.disputes.retrieve(stripe_id))


def list_disputes(client: StripeClient, *, created_since: datetime | None = None) -> Iterator[RemoteDispute]:
    """Read disputes, newest first."""
    params: DisputeListParams = {"limit": PAGE}
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with reading("list disputes"):
        for found in client.v1.disputes.list(params).auto_paging_iter():
            yield remotes.dispute_of(found)


def list_undelivered(client: StripeClient, *, since: datetime) -> Iterator[RemoteEvent]:
    """Read the events that an endpoint of ours did not take; Stripe keeps events for 30 days."""
    with reading("list undelivered events"):
        pages = client.v1.events.list(
            {"delivery_success": False, "created": {"gte": int(since.timestamp())}, "limit": PAGE}
        )
        for found in pages.auto_paging_iter():
            yield remotes.event_of(found)


def calculate_tax(client: StripeClient, *, params: Mapping[str, Any]) -> RemoteCalculation:
    """Ask Stripe Tax what is due: a question, which may be asked any number of times; nothing comes of it there."""
    refuse_floats(params)
    with reading("work out the tax"):
        return remotes.calculation_of(client.v1.tax.calculations.create(cast("CalculationCreateParams", params)))


def record_tax(client: StripeClient, *, params: Mapping[str, Any], key: str) -> str:
    """Record a calculation as tax that is owed, for Stripe's reports; returns the transaction's id."""
    with calling("record the tax"):
        told = cast("TransactionCreateFromCalculationParams", params)
        return client.v1.tax.transactions.create_from_calculation(told, {"idempotency_key": key}).id


def open_portal(client: StripeClient, *, customer: str, return_url: str) -> str:
    """Open Stripe's page for payment methods and return its address, which lives for minutes: never store it."""
    with calling(f"open the billing portal of {customer}"):
        params: SessionCreateParams = {
            "customer": customer,
            "return_url": return_url,
            "flow_data": {"type": "payment_method_update"},
        }
        return client.v1.billing_portal.sessions.create(params).url
