"""The calls we make to Stripe, one function each, with our idempotency keys and with failures told apart."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, cast

from stripe import StripeClient, StripeError
from stripe.params import (
    CustomerCreateParams,
    InvoiceAddLinesParams,
    InvoiceCreateParams,
    InvoiceFinalizeInvoiceParams,
    InvoiceListParams,
)

from billing.stripe import counterparts
from billing.stripe.client import refuse_floats
from billing.stripe.counterparts import RemoteCustomer, RemoteInvoice, RemoteLine, RemotePayment
from billing.stripe.errors import OutcomeUnknownError, RefusedError, TryLaterError

PAGE: Final = 100
_CLIENT_ERRORS: Final = range(400, 500)
# Not about the request: our access (401, 403), a key in use or a lock (409), a limit (429).
_LATER: Final = frozenset({401, 403, 409, 429})
# A time-out told as a status by something between us and Stripe.
_UNKNOWN: Final = frozenset({408})


def create_customer(client: StripeClient, *, params: Mapping[str, Any], key: str) -> RemoteCustomer:
    """Make a customer. Raises a CallError, as every function here."""
    refuse_floats(params)
    with _calling("create the customer"):
        made = client.v1.customers.create(cast("CustomerCreateParams", params), {"idempotency_key": key})
        return counterparts.customer_of(made)


def retrieve_customer(client: StripeClient, *, stripe_id: str) -> RemoteCustomer:
    """Read a customer; a deleted one is told as such."""
    with _reading(f"read customer {stripe_id}"):
        return counterparts.customer_of(client.v1.customers.retrieve(stripe_id))


def list_customers(client: StripeClient, *, email: str) -> list[RemoteCustomer]:
    """Read the customers with that e-mail address; consistent, unlike Stripe's search."""
    with _reading("list customers"):
        pages = client.v1.customers.list({"email": email, "limit": PAGE})
        return [counterparts.customer_of(found) for found in pages.auto_paging_iter()]


def create_invoice(client: StripeClient, *, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Make a draft."""
    refuse_floats(params)
    with _calling("create the invoice"):
        made = client.v1.invoices.create(cast("InvoiceCreateParams", params), {"idempotency_key": key})
        return counterparts.invoice_of(made)


def add_lines(client: StripeClient, *, stripe_id: str, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Add lines to a draft; Stripe takes at most 250 an invoice."""
    refuse_floats(params)
    with _calling(f"add lines to {stripe_id}"):
        answer = client.v1.invoices.add_lines(
            stripe_id, cast("InvoiceAddLinesParams", params), {"idempotency_key": key}
        )
        return counterparts.invoice_of(answer)


def retrieve_invoice(client: StripeClient, *, stripe_id: str) -> RemoteInvoice:
    """Read an invoice."""
    with _reading(f"read invoice {stripe_id}"):
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
    with _reading("list invoices"):
        pages = client.v1.invoices.list(params)
        for found in pages.auto_paging_iter():
            yield counterparts.invoice_of(found)


def list_lines(client: StripeClient, *, stripe_id: str) -> list[RemoteLine]:
    """Read every line of an invoice; the invoice itself shows only the first ten."""
    with _reading(f"list the lines of {stripe_id}"):
        pages = client.v1.invoices.line_items.list(stripe_id, {"limit": PAGE})
        return [counterparts.line_of(found) for found in pages.auto_paging_iter()]


def finalize_invoice(client: StripeClient, *, stripe_id: str, params: Mapping[str, Any], key: str) -> RemoteInvoice:
    """Freeze a draft at Stripe; the hosted page and the PDF exist from here on."""
    refuse_floats(params)
    with _calling(f"finalize {stripe_id}"):
        answer = client.v1.invoices.finalize_invoice(
            stripe_id, cast("InvoiceFinalizeInvoiceParams", params), {"idempotency_key": key}
        )
        return counterparts.invoice_of(answer)


def send_invoice(client: StripeClient, *, stripe_id: str, key: str) -> RemoteInvoice:
    """Have Stripe write to the customer."""
    with _calling(f"send {stripe_id}"):
        return counterparts.invoice_of(client.v1.invoices.send_invoice(stripe_id, {}, {"idempotency_key": key}))


def list_invoice_payments(client: StripeClient, *, stripe_id: str) -> list[RemotePayment]:
    """Read the payments of an invoice that succeeded."""
    with _reading(f"list the payments of {stripe_id}"):
        pages = client.v1.invoice_payments.list({"invoice": stripe_id, "status": "paid", "limit": PAGE})
        return [counterparts.payment_of(found) for found in pages.auto_paging_iter()]


def list_event_keys(client: StripeClient, *, event_type: str, since: datetime) -> set[str]:
    """Read which of our idempotency keys caused events of a type since a moment; Stripe keeps events for 30 days."""
    with _reading(f"list {event_type} events"):
        pages = client.v1.events.list({"type": event_type, "created": {"gte": int(since.timestamp())}, "limit": PAGE})
        causes = [event.request for event in pages.auto_paging_iter()]
        return {cause.idempotency_key for cause in causes if cause is not None and cause.idempotency_key}


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """As _calling, for what changes nothing: without an answer nothing was done."""
    try:
        with _calling(what):
            yield
    except OutcomeUnknownError as error:
        raise TryLaterError(str(error)) from error


@contextmanager
def _calling(what: str) -> Iterator[None]:
    """Tell the SDK's errors apart by whether the request was carried out (Stripe's docs: "Advanced error handling")."""
    try:
        yield
    except StripeError as error:
        raise _classified(what, error) from error


def _classified(what: str, error: StripeError) -> RefusedError | TryLaterError | OutcomeUnknownError:
    status = error.http_status
    if status in _LATER:
        return TryLaterError(f"could not {what}: {status} {error}")
    if status in _CLIENT_ERRORS and status not in _UNKNOWN:
        return RefusedError(f"could not {what}: {status} {error}")
    return OutcomeUnknownError(f"asked Stripe to {what}: {status or 'no answer'} {error}")
