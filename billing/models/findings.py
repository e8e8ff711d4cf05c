"""What reconciliation found: each difference a row, from when it was first seen until it is gone."""

from django.db import models

from agents.models import Customer
from billing.models.invoices import Invoice


class FindingKind(models.TextChoices):
    """What sort of difference it is; (a) to (j) of stripe.md C11, and what only this service can see."""

    MISSING_THERE = "missing_there"
    MISSING_HERE = "missing_here"
    CONTENT = "content_mismatch"
    STATUS = "status_mismatch"
    PAYMENTS = "payments_mismatch"
    DUPLICATE = "duplicate"
    OLD_DRAFT = "old_draft"
    CUSTOMER_GONE = "customer_gone"
    MODE = "mode_mismatch"
    CREDIT_NOTE = "credit_note_mismatch"
    REFUND = "refund_mismatch"
    BALANCE = "balance_moved"
    UNDELIVERED = "event_undelivered"
    UNAPPLIED = "event_not_applied"
    OTHER_VERSION = "event_of_other_version"
    DISPUTE = "dispute"
    STUCK = "message_stuck"
    CHAIN_INCOMPLETE = "chain_incomplete"


class Severity(models.TextChoices):
    """How bad it is: money wrong or double; money not collected; something to look at."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Finding(models.Model):
    """One difference between our books, Stripe's and the devices'; nothing is ever repaired by itself.

    `subject` says of what, so that the same difference seen again is the same row while it lasts.
    """

    kind = models.CharField(max_length=24, choices=FindingKind.choices)
    subject = models.CharField(max_length=120)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="findings", null=True, blank=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="findings", null=True, blank=True)
    stripe_id = models.CharField(max_length=64, blank=True)
    at_risk = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    detail = models.TextField()
    action = models.TextField(help_text="What a person may do about it.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=FindingKind.values), name="finding_kind"),
            models.CheckConstraint(condition=models.Q(severity__in=Severity.values), name="finding_severity"),
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=models.Q(resolved_at__isnull=True), name="finding_open_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
