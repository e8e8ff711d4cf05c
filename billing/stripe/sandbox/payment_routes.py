"""The endpoints of what moves money: payments, charges, refunds, credit notes, disputes, bank transfers."""

from stripe import params as sdk

from billing.stripe.sandbox import balances, cash, charges, credit_notes, disputes, payments, refunds
from billing.stripe.sandbox.endpoint import LIST, PAGE, Route, route

_NOTE_LINE = (
    "amount",
    "description",
    "invoice_line_item",
    "metadata",
    "quantity",
    "type",
    "unit_amount",
    "unit_amount_decimal",
)
_NOTE = (
    "amount",
    "credit_amount",
    "effective_at",
    "email_type",
    "invoice",
    "memo",
    "metadata",
    "out_of_band_amount",
    "reason",
    "refund_amount",
    "refunds.amount_refunded",
    "refunds.refund",
    "refunds.type",
    *(f"lines.{name}" for name in _NOTE_LINE),
)

ROUTES: tuple[Route, ...] = (
    route(
        "GET invoice_payments",
        "invoice_payments.list",
        payments.list_all,
        sdk.InvoicePaymentListParams,
        (*LIST, "invoice", "payment.payment_intent", "payment.type", "status"),
    ),
    route(
        "GET invoice_payments/{invoice_payment}",
        "invoice_payments.retrieve",
        payments.retrieve,
        sdk.InvoicePaymentRetrieveParams,
    ),
    route(
        "GET payment_intents/{intent}",
        "payment_intents.retrieve",
        payments.retrieve_intent,
        sdk.PaymentIntentRetrieveParams,
    ),
    route("GET charges", "charges.list", charges.list_all, sdk.ChargeListParams, (*LIST, "customer", "payment_intent")),
    route("GET charges/{charge}", "charges.retrieve", charges.retrieve, sdk.ChargeRetrieveParams),
    route(
        "POST refunds",
        "refunds.create",
        refunds.create,
        sdk.RefundCreateParams,
        ("amount", "charge", "metadata", "payment_intent", "reason"),
    ),
    route("GET refunds", "refunds.list", refunds.list_all, sdk.RefundListParams, (*LIST, "charge", "payment_intent")),
    route("GET refunds/{refund}", "refunds.retrieve", refunds.retrieve, sdk.RefundRetrieveParams),
    route("POST refunds/{refund}", "refunds.update", refunds.update, sdk.RefundUpdateParams, ("metadata",)),
    route("POST credit_notes", "credit_notes.create", credit_notes.create, sdk.CreditNoteCreateParams, _NOTE),
    route(
        "GET credit_notes",
        "credit_notes.list",
        credit_notes.list_all,
        sdk.CreditNoteListParams,
        (*LIST, "customer", "invoice"),
    ),
    route(
        "GET credit_notes/{credit_note}", "credit_notes.retrieve", credit_notes.retrieve, sdk.CreditNoteRetrieveParams
    ),
    route(
        "POST credit_notes/{credit_note}",
        "credit_notes.update",
        credit_notes.update,
        sdk.CreditNoteUpdateParams,
        ("memo", "metadata"),
    ),
    route(
        "GET credit_notes/{credit_note}/lines",
        "credit_notes.list_lines",
        credit_notes.list_lines,
        sdk.CreditNoteLineItemListParams,
        PAGE,
    ),
    route(
        "POST credit_notes/{credit_note}/void",
        "credit_notes.void",
        credit_notes.void,
        sdk.CreditNoteVoidCreditNoteParams,
    ),
    route(
        "GET disputes", "disputes.list", disputes.list_all, sdk.DisputeListParams, (*LIST, "charge", "payment_intent")
    ),
    route("GET disputes/{dispute}", "disputes.retrieve", disputes.retrieve, sdk.DisputeRetrieveParams),
    route(
        "POST disputes/{dispute}",
        "disputes.update",
        disputes.update,
        sdk.DisputeUpdateParams,
        ("evidence.product_description", "evidence.uncategorized_text", "metadata", "submit"),
    ),
    route("POST disputes/{dispute}/close", "disputes.close", disputes.close, sdk.DisputeCloseParams),
    route(
        "GET customers/{customer}/balance_transactions",
        "customers.balance_transactions.list",
        balances.list_all,
        sdk.CustomerBalanceTransactionListParams,
        LIST,
    ),
    route(
        "GET customers/{customer}/cash_balance",
        "customers.cash_balance.retrieve",
        cash.retrieve,
        sdk.CustomerCashBalanceRetrieveParams,
    ),
    route(
        "GET customers/{customer}/cash_balance_transactions",
        "customers.cash_balance_transactions.list",
        cash.list_all,
        sdk.CustomerCashBalanceTransactionListParams,
        PAGE,
    ),
    route(
        "POST customers/{customer}/funding_instructions",
        "customers.funding_instructions.create",
        cash.instructions,
        sdk.CustomerFundingInstructionsCreateParams,
        ("bank_transfer.eu_bank_transfer.country", "bank_transfer.type", "currency", "funding_type"),
    ),
    route(
        "POST test_helpers/customers/{customer}/fund_cash_balance",
        "test_helpers.customers.fund_cash_balance",
        cash.fund,
        sdk.test_helpers.CustomerFundCashBalanceParams,
        ("amount", "currency", "reference"),
    ),
)
