"""The endpoints of customers, drafts, invoices, events and the portal."""

from stripe import params as sdk

from billing.stripe.sandbox import cards, collection, customers, events, invoices, items, portal
from billing.stripe.sandbox.endpoint import LIST, PAGE, Route, route

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
    "tax.ip_address",
    "tax.validate_location",
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
    "payment_settings.payment_method_options.customer_balance.bank_transfer.eu_bank_transfer.country",
    "payment_settings.payment_method_options.customer_balance.bank_transfer.type",
    "payment_settings.payment_method_options.customer_balance.funding_type",
    "payment_settings.payment_method_types",
    "statement_descriptor",
)
_PRICED = (
    "amount",
    "description",
    "discountable",
    "metadata",
    "period",
    "price_data.currency",
    "price_data.product",
    "price_data.tax_behavior",
    "price_data.unit_amount",
    "price_data.unit_amount_decimal",
    "quantity",
    "quantity_decimal",
)
_LINES = (*_PRICED, "price_data.product_data", "tax_amounts")
_ITEM = (*_PRICED, "currency", "customer", "invoice", "unit_amount_decimal")
_FLOW = ("type", "after_completion.type", "after_completion.redirect.return_url")

ROUTES: tuple[Route, ...] = (
    route(
        "POST customers", "customers.create", customers.create, sdk.CustomerCreateParams, (*_CUSTOMER, "payment_method")
    ),
    route("GET customers", "customers.list", customers.list_all, sdk.CustomerListParams, (*LIST, "email")),
    route("GET customers/{customer}", "customers.retrieve", customers.retrieve, sdk.CustomerRetrieveParams),
    route("POST customers/{customer}", "customers.update", customers.update, sdk.CustomerUpdateParams, _CUSTOMER),
    route("DELETE customers/{customer}", "customers.delete", customers.delete, sdk.CustomerDeleteParams),
    route(
        "GET customers/{customer}/payment_methods",
        "customers.payment_methods.list",
        cards.list_all,
        sdk.CustomerPaymentMethodListParams,
        (*PAGE, "type"),
    ),
    route(
        "GET payment_methods",
        "payment_methods.list",
        cards.list_all,
        sdk.PaymentMethodListParams,
        (*PAGE, "customer", "type"),
    ),
    route(
        "GET payment_methods/{payment_method}",
        "payment_methods.retrieve",
        cards.retrieve,
        sdk.PaymentMethodRetrieveParams,
    ),
    route(
        "POST payment_methods/{payment_method}/attach",
        "payment_methods.attach",
        cards.attach,
        sdk.PaymentMethodAttachParams,
        ("customer",),
    ),
    route(
        "POST payment_methods/{payment_method}/detach",
        "payment_methods.detach",
        cards.detach,
        sdk.PaymentMethodDetachParams,
    ),
    route(
        "POST invoices",
        "invoices.create",
        invoices.create,
        sdk.InvoiceCreateParams,
        (*_INVOICE, "customer", "currency", "pending_invoice_items_behavior"),
    ),
    route("POST invoiceitems", "invoiceitems.create", items.create, sdk.InvoiceItemCreateParams, _ITEM),
    route(
        "GET invoiceitems",
        "invoiceitems.list",
        items.list_all,
        sdk.InvoiceItemListParams,
        (*LIST, "customer", "invoice", "pending"),
    ),
    route("GET invoiceitems/{invoiceitem}", "invoiceitems.retrieve", items.retrieve, sdk.InvoiceItemRetrieveParams),
    route("DELETE invoiceitems/{invoiceitem}", "invoiceitems.delete", items.delete, sdk.InvoiceItemDeleteParams),
    route(
        "GET invoices",
        "invoices.list",
        invoices.list_all,
        sdk.InvoiceListParams,
        (*LIST, "collection_method", "customer", "due_date", "status"),
    ),
    route("GET invoices/{invoice}", "invoices.retrieve", invoices.retrieve, sdk.InvoiceRetrieveParams),
    route("POST invoices/{invoice}", "invoices.update", invoices.update, sdk.InvoiceUpdateParams, _INVOICE),
    route("DELETE invoices/{invoice}", "invoices.delete", invoices.delete, sdk.InvoiceDeleteParams),
    route(
        "POST invoices/{invoice}/add_lines",
        "invoices.add_lines",
        invoices.add_lines,
        sdk.InvoiceAddLinesParams,
        ("invoice_metadata", *(f"lines.{name}" for name in _LINES)),
    ),
    route(
        "GET invoices/{invoice}/lines", "invoices.list_lines", invoices.list_lines, sdk.InvoiceLineItemListParams, PAGE
    ),
    route(
        "POST invoices/{invoice}/finalize",
        "invoices.finalize",
        collection.finalize,
        sdk.InvoiceFinalizeInvoiceParams,
        ("auto_advance",),
    ),
    route(
        "POST invoices/{invoice}/pay",
        "invoices.pay",
        collection.pay,
        sdk.InvoicePayParams,
        ("off_session", "paid_out_of_band", "payment_method"),
    ),
    route("POST invoices/{invoice}/send", "invoices.send", collection.send, sdk.InvoiceSendInvoiceParams),
    route("POST invoices/{invoice}/void", "invoices.void", collection.void, sdk.InvoiceVoidInvoiceParams),
    route(
        "POST invoices/{invoice}/mark_uncollectible",
        "invoices.mark_uncollectible",
        collection.mark_uncollectible,
        sdk.InvoiceMarkUncollectibleParams,
    ),
    route(
        "POST billing_portal/sessions",
        "billing_portal.sessions.create",
        portal.create,
        sdk.billing_portal.SessionCreateParams,
        ("customer", "return_url", "configuration", "locale", *(f"flow_data.{name}" for name in _FLOW)),
    ),
    route(
        "GET events", "events.list", events.list_all, sdk.EventListParams, (*LIST, "delivery_success", "type", "types")
    ),
    route("GET events/{event}", "events.retrieve", events.retrieve, sdk.EventRetrieveParams),
)
