"""The calls we make to Stripe, one function each, with our idempotency keys and with failures told apart."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, cast

from stripe import CardError, StripeClient, StripeError
from stripe.params import (
    CustomerCreateParams,
    CustomerUpdateParams,
    InvoiceAddLinesParams,
    InvoiceCreateParams,
    InvoiceFinalizeInvoiceParams,
    InvoiceListParams,
    InvoicePaymentListParams,
    InvoicePayParams,
)

from billing.stripe import counterparts
from billing.stripe.client import refuse_floats
from billing.stripe.counterparts import RemoteCustomer, RemoteInvoice, RemoteLine, RemotePayment
from billing.stripe.errors import DeclinedError, NotThereError, OutcomeUnknownError, RefusedError, TryLaterError

PAGE: Final = 100
_CLIENT_ERRORS: Final = range(400, 500)
_MISSING: Final = 404
# Not about the request: our access (401, 403), a key in use or a lock (409), a limit (429).
_LATER: Final = frozenset({401, 403, 409, 429})
# A time-out told as a status by something between us and Stripe.
_UNKNOWN: Final = frozenset({408})


def create_customer(client: StripeClient, *, params: Mapping[str, Any], key: str) -> RemoteCustomer:
    """Make a customer. Raises a CallError, as every function here."""
    refuse_floats(params)
    with calling("create the customer"):
        made = client.v1.customers.create(cast("CustomerCreateParams", params), {"idempotency_key": key})
        return counterparts.customer_of(made)


def retrieve_customer(client: StripeClient, *, stripe_id: str) -> RemoteCustomer:
    """Read a customer; a deleted one is told as such, and has no card."""
    with reading(f"read customer {stripe_id}"):
        return counterparts.customer_of(client.v1.customers.retrieve(stripe_id))


def describe_card(client: StripeClient, *, stripe_id: str) -> str:
    """Read a payment method and name it in words, such as "visa 4242"."""
    with reading(f"read payment method {stripe_id}"):
        found = client.v1.payment_methods.retrieve(stripe_id)
        return f"{found.card.brand} {found.card.last4}" if found.card is not None else str(found.type)


def update_customer(client: StripeClient, *, stripe_id: str, params: Mapping[str, Any], key: str) -> RemoteCustomer:
    """Change a customer."""
    refuse_floats(params)
    with calling(f"update customer {stripe_id}"):
        told = cast("CustomerUpdateParams", params)
        return counterparts.customer_of(client.v1.customers.update(stripe_id, told, {"idempotency_key": key}))


def list_customers(client: StripeClient, *, email: str) -> list[RemoteCustomer]:
    """Read the customers with that e-mail address; consistent, unlike Stripe's search."""
    with reading("list customers"):
        pages = client.v1.customers.list({"email": email, "limit": PAGE})
        return [counterparts.customer_of(found) for found in pages.auto_paging_iter()]


def create_invoice(client: StripeClient, *, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Make a draft."""
    refuse_floats(params)
    with calling("create the invoice"):
        made = client.v1.invoices.create(cast("InvoiceCreateParams", params), {"idempotency_key": key})
        return counterparts.invoice_of(made)


def add_lines(client: StripeClient, *, stripe_id: str, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Add lines to a draft; Stripe takes at most 250 an invoice."""
    refuse_floats(params)
    with calling(f"add lines to {stripe_id}"):
        answer = client.v1.invoices.add_lines(
            stripe_id, cast("InvoiceAddLinesParams", params), {"idempotency_key": key}
        )
        return counterparts.invoice_of(answer)


def retrieve_invoice(client: StripeClient, *, stripe_id: str) -> RemoteInvoice:
    """Read an invoice."""
    with reading(f"read invoice {stripe_id}"):
        return counterparts.invoice_of(client.v1.invoices.retrieve(stripe_id))


def list_invoices(
    client: StripeClient, *, customer: str | None = None, created_since: datetime | None = None
) -> Iterator[RemoteInvoice]:
    """Read invoices, newest first, page by page: of one customer, or made since a moment, or all."""
    params: InvoiceListParams = {"limit": PAGE}
    if customer is not None:
        params["customer"] = customer
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with reading("list invoices"):
        pages = client.v1.invoices.list(params)
        for found in pages.auto_paging_iter():
            yield counterparts.invoice_of(found)


def list_lines(client: StripeClient, *, stripe_id: str) -> list[RemoteLine]:
    """Read every line of an invoice; the invoice itself shows only the first ten."""
    with reading(f"list the lines of {stripe_id}"):
        pages = client.v1.invoices.line_items.list(stripe_id, {"limit": PAGE})
        return [counterparts.line_of(found) for found in pages.auto_paging_iter()]


def finalize_invoice(client: StripeClient, *, stripe_id: str, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Freeze a draft at Stripe; the hosted page and the PDF exist from here on."""
    refuse_floats(params)
    with calling(f"finalize {stripe_id}"):
        answer = client.v1.invoices.finalize_invoice(
            stripe_id, cast("InvoiceFinalizeInvoiceParams", params), {"idempotency_key": key}
        )
        return counterparts.invoice_of(answer)


def send_invoice(client: StripeClient, *, stripe_id: str, key: str) -> RemoteInvoice:
    """Have Stripe write to the customer."""
    with calling(f"send {stripe_id}"):
        return counterparts.invoice_of(client.v1.invoices.send_invoice(stripe_id, {}, {"idempotency_key": key}))


def pay_invoice(client: StripeClient, *, stripe_id: str, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Charge the card on file. Raises DeclinedError where the bank refuses; the invoice stays open."""
    with calling(f"charge for {stripe_id}"):
        told = cast("InvoicePayParams", params)
        return counterparts.invoice_of(client.v1.invoices.pay(stripe_id, told, {"idempotency_key": key}))


def void_invoice(client: StripeClient, *, stripe_id: str, key: str) -> RemoteInvoice:
    """Cancel an invoice for good."""
    with calling(f"void {stripe_id}"):
        return counterparts.invoice_of(client.v1.invoices.void_invoice(stripe_id, {}, {"idempotency_key": key}))


def delete_draft(client: StripeClient, *, stripe_id: str) -> None:
    """Delete a draft: what cannot be voided because it was never finalized. Deleting twice is deleting once."""
    with calling(f"delete the draft {stripe_id}"):
        client.v1.invoices.delete(stripe_id)


def mark_uncollectible(client: StripeClient, *, stripe_id: str, key: str) -> RemoteInvoice:
    """Write an invoice off; it can still be paid."""
    with calling(f"write {stripe_id} off"):
        return counterparts.invoice_of(client.v1.invoices.mark_uncollectible(stripe_id, {}, {"idempotency_key": key}))


def list_invoice_payments(client: StripeClient, *, stripe_id: str) -> list[RemotePayment]:
    """Read the payments of an invoice that succeeded."""
    with reading(f"list the payments of {stripe_id}"):
        pages = client.v1.invoice_payments.list({"invoice": stripe_id, "status": "paid", "limit": PAGE})
        return [counterparts.payment_of(found) for found in pages.auto_paging_iter()]


def list_payments(client: StripeClient, *, created_since: datetime | None) -> Iterator[RemotePayment]:
    """Read the payments of all invoices that succeeded, asked for since a moment, or all."""
    params: InvoicePaymentListParams = {"status": "paid", "limit": PAGE}
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with reading("list payments"):
        for found in client.v1.invoice_payments.list(params).auto_paging_iter():
            yield counterparts.payment_of(found)


def list_event_keys(client: StripeClient, *, event_type: str, since: datetime) -> set[str]:
    """Read which of our idempotency keys caused events of a type since a moment; Stripe keeps events for 30 days."""
    with reading(f"list {event_type} events"):
        pages = client.v1.events.list({"type": event_type, "created": {"gte": int(since.timestamp())}, "limit": PAGE})
        causes = [event.request for event in pages.auto_paging_iter()]
        return {cause.idempotency_key for cause in causes if cause is not None and cause.idempotency_key}


@contextmanager
def reading(what: str) -> Iterator[None]:
    """As `calling`, for what changes nothing: without an answer nothing was done."""
    try:
        with calling(what):
            yield
    except OutcomeUnknownError as error:
        raise TryLaterError(str(error)) from error


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Tell the SDK's errors apart by whether the request was carried out (Stripe's docs: "Advanced error handling")."""
    try:
        yield
    except StripeError as error:
        raise _classified(what, error) from error


def _classified(what: str, error: StripeError) -> RefusedError | TryLaterError | OutcomeUnknownError:
    status = error.http_status
    if status in _LATER:
        return TryLaterError(f"could not {what}: {status} {error}")
    if isinstance(error, CardError):
        return DeclinedError(f"could not {what}: {status} {error}", code=error.code or "declined")
    if status in _CLIENT_ERRORS and status not in _UNKNOWN:
        kind = NotThereError if status == _MISSING else RefusedError
        return kind(f"could not {what}: {status} {error}", param=getattr(error, "param", None) or "")
    return OutcomeUnknownError(f"asked Stripe to {what}: {status or 'no answer'} {error}")
