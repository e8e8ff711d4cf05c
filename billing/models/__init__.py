"""Tables of plans, subscriptions, invoices, the ledger and collection."""

from billing.models import history
from billing.models.approvals import Approval
from billing.models.catalog import Plan, PlanVersion, RateCard
from billing.models.closes import CloseChunk, CloseRun, Intervention, LateDifference
from billing.models.collection import CallBudget, Dispute, Installation, PaymentAttempt
from billing.models.coupons import Coupon, Redemption, RedemptionUse
from billing.models.credit_notes import CreditNote, CreditNoteLine, Refund
from billing.models.credits import CreditDrawdown, CreditGrant, RecurringGrant
from billing.models.deferrals import Deferral, DeferralMove
from billing.models.dunning import Mail, Reminder, Suspension
from billing.models.endpoints import Announcement, Delivery, DeliveryAttempt, Endpoint
from billing.models.findings import Finding
from billing.models.invoices import Invoice, InvoiceLine, InvoiceSequence
from billing.models.ledger import LedgerEntry, LedgerTransaction
from billing.models.payments import (
    OutboxMessage,
    Payment,
    StripeCustomer,
    StripeInvoice,
    StripeObject,
    WebhookEvent,
)
from billing.models.profiles import BillingProfile
from billing.models.rehearsals import Rehearsal, RehearsalResult
from billing.models.subscriptions import (
    BillingPeriod,
    CardOverride,
    Subscription,
    SubscriptionChange,
    SubscriptionTerm,
)
from billing.models.subtotals import LineShare
from billing.models.taxes import TaxAssignment, TaxRate
from billing.models.top_ups import TopUp, TopUpRule

__all__ = [
    "Announcement",
    "Approval",
    "BillingPeriod",
    "BillingProfile",
    "CallBudget",
    "CardOverride",
    "CloseChunk",
    "CloseRun",
    "Coupon",
    "CreditDrawdown",
    "CreditGrant",
    "CreditNote",
    "CreditNoteLine",
    "Deferral",
    "DeferralMove",
    "Delivery",
    "DeliveryAttempt",
    "Dispute",
    "Endpoint",
    "Finding",
    "Installation",
    "Intervention",
    "Invoice",
    "InvoiceLine",
    "InvoiceSequence",
    "LateDifference",
    "LedgerEntry",
    "LedgerTransaction",
    "LineShare",
    "Mail",
    "OutboxMessage",
    "Payment",
    "PaymentAttempt",
    "Plan",
    "PlanVersion",
    "RateCard",
    "RecurringGrant",
    "Redemption",
    "RedemptionUse",
    "Refund",
    "Rehearsal",
    "RehearsalResult",
    "Reminder",
    "StripeCustomer",
    "StripeInvoice",
    "StripeObject",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionTerm",
    "Suspension",
    "TaxAssignment",
    "TaxRate",
    "TopUp",
    "TopUpRule",
    "WebhookEvent",
    "history",
]
