"""The admin of billing: everything can be seen, nothing that was agreed, issued or booked can be changed."""

from billing.admin.catalog import PlanAdmin, PlanVersionAdmin
from billing.admin.closes import CloseRunAdmin, InterventionAdmin, LateDifferenceAdmin
from billing.admin.credit_notes import CreditNoteAdmin, DeferralAdmin, RefundAdmin
from billing.admin.credits import CreditGrantAdmin, RecurringGrantAdmin, TopUpAdmin, TopUpRuleAdmin
from billing.admin.invoices import InvoiceAdmin
from billing.admin.ledger import LedgerTransactionAdmin
from billing.admin.notices import DeliveryAdmin, EndpointAdmin, MailAdmin, SuspensionAdmin
from billing.admin.payments import (
    DisputeAdmin,
    FindingAdmin,
    OutboxMessageAdmin,
    PaymentAdmin,
    PaymentAttemptAdmin,
    WebhookEventAdmin,
)
from billing.admin.subscriptions import BillingPeriodAdmin, SubscriptionAdmin
from billing.admin.taxes import CouponAdmin, TaxAssignmentAdmin, TaxRateAdmin

__all__ = [
    "BillingPeriodAdmin",
    "CloseRunAdmin",
    "CouponAdmin",
    "CreditGrantAdmin",
    "CreditNoteAdmin",
    "DeferralAdmin",
    "DeliveryAdmin",
    "DisputeAdmin",
    "EndpointAdmin",
    "FindingAdmin",
    "InterventionAdmin",
    "InvoiceAdmin",
    "LateDifferenceAdmin",
    "LedgerTransactionAdmin",
    "MailAdmin",
    "OutboxMessageAdmin",
    "PaymentAdmin",
    "PaymentAttemptAdmin",
    "PlanAdmin",
    "PlanVersionAdmin",
    "RecurringGrantAdmin",
    "RefundAdmin",
    "SubscriptionAdmin",
    "SuspensionAdmin",
    "TaxAssignmentAdmin",
    "TaxRateAdmin",
    "TopUpAdmin",
    "TopUpRuleAdmin",
    "WebhookEventAdmin",
]
