"""The endpoints: for each, its operation, the SDK's type of its parameters, and which of those are modelled."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stripe import params as sdk

from billing.stripe.sandbox import cards, collection, customers, events, invoices, payments, portal
from billing.stripe.sandbox.objects import Body

_PAGE = ("limit", "starting_after", "ending_before")
_LIST = (*_PAGE, "created")
_CUSTOMER = (
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "invoice_settings.custom_fields",
    "invoice_settings.default_payment_method",
    "invoice_settings.footer",
    "metadata",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)
_INVOICE = (
    "auto_advance",
    "automatic_tax.enabled",
    "collection_method",
    "custom_fields",
    "days_until_due",
    "default_payment_method",
    "description",
    "due_date",
    "effective_at",
    "footer",
    "metadata",
    "number",
    "payment_settings.payment_method_types",
    "statement_descriptor",
)
_LINES = ("amount", "description", "discountable", "metadata", "period")


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `handler` takes the call, the parsed parameters and the ids in the path."""

    method: str
    path: str
    operation: str
    handler: Callable[..., Body]
    schema: type
    modelled: frozenset[str]

    def match(self, *, method: str, path: str) -> dict[str, str] | None:
        """The ids in the path, by their names, or None where the route is another."""
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path), path) if method == self.method else None
        return None if found is None else found.groupdict()


def _route(
    endpoint: str, operation: str, handler: Callable[..., Body], schema: type, modelled: Iterable[str] = ()
) -> Route:
    method, path = endpoint.split(" ")
    return Route(method, f"/v1/{path}", operation, handler, schema, frozenset(modelled))


ROUTES = (
    _route(
        "POST customers", "customers.create", customers.create, sdk.CustomerCreateParams, (*_CUSTOMER, "payment_method")
    ),
    _route("GET customers", "customers.list", customers.list_all, sdk.CustomerListParams, (*_LIST, "email")),
    _route("GET customers/{customer}", "customers.retrieve", customers.retrieve, sdk.CustomerRetrieveParams),
    _route("POST customers/{customer}", "customers.update", customers.update, sdk.CustomerUpdateParams, _CUSTOMER),
    _route("DELETE customers/{customer}", "customers.delete", customers.delete, sdk.CustomerDeleteParams),
    _route(
        "GET customers/{customer}/payment_methods",
        "customers.payment_methods.list",
        cards.list_all,
        sdk.CustomerPaymentMethodListParams,
        (*_PAGE, "type"),
    ),
    _route(
        "GET payment_methods",
        "payment_methods.list",
        cards.list_all,
        sdk.PaymentMethodListParams,
        (*_PAGE, "customer", "type"),
    ),
    _route(
        "GET payment_methods/{payment_method}",
        "payment_methods.retrieve",
        cards.retrieve,
        sdk.PaymentMethodRetrieveParams,
    ),
    _route(
        "POST payment_methods/{payment_method}/attach",
        "payment_methods.attach",
        cards.attach,
        sdk.PaymentMethodAttachParams,
        ("customer",),
    ),
    _route(
        "POST payment_methods/{payment_method}/detach",
        "payment_methods.detach",
        cards.detach,
        sdk.PaymentMethodDetachParams,
    ),
    _route(
        "POST invoices",
        "invoices.create",
        invoices.create,
        sdk.InvoiceCreateParams,
        (*_INVOICE, "customer", "currency", "pending_invoice_items_behavior"),
    ),
    _route(
        "GET invoices",
        "invoices.list",
        invoices.list_all,
        sdk.InvoiceListParams,
        (*_LIST, "collection_method", "customer", "due_date", "status"),
    ),
    _route("GET invoices/{invoice}", "invoices.retrieve", invoices.retrieve, sdk.InvoiceRetrieveParams),
    _route("POST invoices/{invoice}", "invoices.update", invoices.update, sdk.InvoiceUpdateParams, _INVOICE),
    _route("DELETE invoices/{invoice}", "invoices.delete", invoices.delete, sdk.InvoiceDeleteParams),
    _route(
        "POST invoices/{invoice}/add_lines",
        "invoices.add_lines",
        invoices.add_lines,
        sdk.InvoiceAddLinesParams,
        ("invoice_metadata", *(f"lines.{name}" for name in _LINES)),
    ),
    _route(
        "GET invoices/{invoice}/lines", "invoices.list_lines", invoices.list_lines, sdk.InvoiceLineItemListParams, _PAGE
    ),
    _route(
        "POST invoices/{invoice}/finalize",
        "invoices.finalize",
        collection.finalize,
        sdk.InvoiceFinalizeInvoiceParams,
        ("auto_advance",),
    ),
    _route(
        "POST invoices/{invoice}/pay",
        "invoices.pay",
        collection.pay,
        sdk.InvoicePayParams,
        ("off_session", "paid_out_of_band", "payment_method"),
    ),
    _route("POST invoices/{invoice}/send", "invoices.send", collection.send, sdk.InvoiceSendInvoiceParams),
    _route("POST invoices/{invoice}/void", "invoices.void", collection.void, sdk.InvoiceVoidInvoiceParams),
    _route(
        "POST invoices/{invoice}/mark_uncollectible",
        "invoices.mark_uncollectible",
        collection.mark_uncollectible,
        sdk.InvoiceMarkUncollectibleParams,
    ),
    _route(
        "GET invoice_payments",
        "invoice_payments.list",
        payments.list_all,
        sdk.InvoicePaymentListParams,
        (*_LIST, "invoice", "payment.payment_intent", "payment.type", "status"),
    ),
    _route(
        "GET invoice_payments/{invoice_payment}",
        "invoice_payments.retrieve",
        payments.retrieve,
        sdk.InvoicePaymentRetrieveParams,
    ),
    _route(
        "GET payment_intents/{intent}",
        "payment_intents.retrieve",
        payments.retrieve_intent,
        sdk.PaymentIntentRetrieveParams,
    ),
    _route(
        "POST billing_portal/sessions",
        "billing_portal.sessions.create",
        portal.create,
        sdk.billing_portal.SessionCreateParams,
        ("customer", "return_url"),
    ),
    _route(
        "GET events", "events.list", events.list_all, sdk.EventListParams, (*_LIST, "delivery_success", "type", "types")
    ),
    _route("GET events/{event}", "events.retrieve", events.retrieve, sdk.EventRetrieveParams),
)

OPERATIONS = frozenset(route.operation for route in ROUTES)


def find(*, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The endpoint that answers, with the ids in the path, or None."""
    for route in ROUTES:
        ids = route.match(method=method, path=path)
        if ids is not None:
            return route, ids
    return None
