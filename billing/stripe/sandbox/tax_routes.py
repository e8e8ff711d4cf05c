"""The endpoints of taxes: rates, calculations, transactions."""

from stripe import params as sdk

from billing.stripe.sandbox import calculations, taxes
from billing.stripe.sandbox.endpoint import PAGE, Route, route

_LINE = ("amount", "metadata", "product", "quantity", "reference", "tax_behavior", "tax_code")
_DETAILS = ("address", "address_source", "ip_address", "tax_ids", "taxability_override")
_REVERSED = ("amount", "amount_tax", "metadata", "original_line_item", "quantity", "reference")

ROUTES: tuple[Route, ...] = (
    route("GET tax_rates/{tax_rate}", "tax_rates.retrieve", taxes.retrieve_rate, sdk.TaxRateRetrieveParams),
    route(
        "POST tax/calculations",
        "tax.calculations.create",
        calculations.create,
        sdk.tax.CalculationCreateParams,
        (
            "currency",
            "customer",
            "tax_date",
            *(f"line_items.{name}" for name in _LINE),
            *(f"customer_details.{name}" for name in _DETAILS),
        ),
    ),
    route(
        "GET tax/calculations/{calculation}",
        "tax.calculations.retrieve",
        calculations.retrieve,
        sdk.tax.CalculationRetrieveParams,
    ),
    route(
        "GET tax/calculations/{calculation}/line_items",
        "tax.calculations.line_items.list",
        calculations.list_items,
        sdk.tax.CalculationLineItemListParams,
        PAGE,
    ),
    route(
        "POST tax/transactions/create_from_calculation",
        "tax.transactions.create_from_calculation",
        calculations.record,
        sdk.tax.TransactionCreateFromCalculationParams,
        ("calculation", "metadata", "posted_at", "reference"),
    ),
    route(
        "POST tax/transactions/create_reversal",
        "tax.transactions.create_reversal",
        calculations.reverse,
        sdk.tax.TransactionCreateReversalParams,
        (
            "flat_amount",
            "metadata",
            "mode",
            "original_transaction",
            "reference",
            *(f"line_items.{name}" for name in _REVERSED),
        ),
    ),
    route(
        "GET tax/transactions/{transaction}",
        "tax.transactions.retrieve",
        calculations.retrieve_transaction,
        sdk.tax.TransactionRetrieveParams,
    ),
    route(
        "GET tax/transactions/{transaction}/line_items",
        "tax.transactions.line_items.list",
        calculations.list_transaction_items,
        sdk.tax.TransactionLineItemListParams,
        PAGE,
    ),
)
