"""Tables of plans, subscriptions, invoices, the ledger and collection."""

from billing.models import history
from billing.models.approvals import Approval
from billing.models.catalog import Plan, PlanVersion, RateCard
from billing.models.invoices import Invoice, InvoiceLine, InvoiceSequence
from billing.models.ledger import LedgerEntry, LedgerTransaction
from billing.models.payments import OutboxMessage, Payment, StripeCustomer, StripeInvoice, WebhookEvent
from billing.models.subscriptions import BillingPeriod, Subscription

__all__ = [
    "Approval",
    "BillingPeriod",
    "Invoice",
    "InvoiceLine",
    "InvoiceSequence",
    "LedgerEntry",
    "LedgerTransaction",
    "OutboxMessage",
    "Payment",
    "Plan",
    "PlanVersion",
    "RateCard",
    "StripeCustomer",
    "StripeInvoice",
    "Subscription",
    "WebhookEvent",
    "history",
]
