"""Tables of plans, subscriptions, invoices, the ledger and collection."""

from billing.models import history
from billing.models.approvals import Approval
from billing.models.catalog import Plan, PlanVersion, RateCard
from billing.models.coupons import Coupon, Redemption, RedemptionUse
from billing.models.credits import CreditDrawdown, CreditGrant, RecurringGrant
from billing.models.invoices import Invoice, InvoiceLine, InvoiceSequence
from billing.models.ledger import LedgerEntry, LedgerTransaction
from billing.models.payments import OutboxMessage, Payment, StripeCustomer, StripeInvoice, WebhookEvent
from billing.models.profiles import BillingProfile
from billing.models.rehearsals import Rehearsal, RehearsalResult
from billing.models.subscriptions import (
    BillingPeriod,
    CardOverride,
    Subscription,
    SubscriptionChange,
    SubscriptionTerm,
)
from billing.models.taxes import TaxAssignment, TaxRate
from billing.models.top_ups import TopUp, TopUpRule

__all__ = [
    "Approval",
    "BillingPeriod",
    "BillingProfile",
    "CardOverride",
    "Coupon",
    "CreditDrawdown",
    "CreditGrant",
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
    "RecurringGrant",
    "Redemption",
    "RedemptionUse",
    "Rehearsal",
    "RehearsalResult",
    "StripeCustomer",
    "StripeInvoice",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionTerm",
    "TaxAssignment",
    "TaxRate",
    "TopUp",
    "TopUpRule",
    "WebhookEvent",
    "history",
]
