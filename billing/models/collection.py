"""What collection through Stripe leaves behind: who and how fast this installation asks, and what is contested."""

import pgtrigger
from django.db import models

from agents.models import Customer
from billing.models.invoices import Invoice


class Installation(models.Model):
    """The one name of this database among all that share a Stripe account; made once, in every idempotency key."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    token = models.CharField(max_length=16)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="installation_is_one")]
        triggers = [pgtrigger.Protect(name="made_once", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.token


class CallBudget(models.Model):
    """How many calls of a kind may be made now: a token bucket that all workers take from."""

    name = models.CharField(max_length=100, primary_key=True)
    tokens = models.DecimalField(max_digits=20, decimal_places=6)
    filled_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.tokens}"


class AttemptOutcome(models.TextChoices):
    """What came of asking a bank for money."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"


class PaymentAttempt(models.Model):
    """One time that a payment was tried and Stripe told how it went; append-only. Dunning reads it.

    `key` names the attempt: our message's, or that of the event which told of what the customer tried by itself.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payment_attempts")
    key = models.CharField(max_length=160, unique=True)
    outcome = models.CharField(max_length=16, choices=AttemptOutcome.choices)
    code = models.CharField(max_length=80, blank=True, help_text="Stripe's code, such as card_declined.")
    detail = models.TextField(blank=True)
    attempted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=AttemptOutcome.values), name="payment_attempt_outcome"
            )
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.outcome} for invoice {self.invoice_id}"


class Dispute(models.Model):
    """A payment that its payer contests with the bank, as last read at Stripe; only moves forward.

    `invoice` and `customer` are empty where the payment is none of ours.
    """

    stripe_id = models.CharField(max_length=64, unique=True)
    livemode = models.BooleanField()
    payment_id = models.CharField(max_length=64, help_text="The payment intent that is contested.")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="disputes", null=True, blank=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="disputes", null=True, blank=True)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=80)
    status = models.CharField(max_length=32, help_text="Stripe's: needs_response, under_review, won, lost, and others.")
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    read_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="dispute_positive")]
        triggers = [
            pgtrigger.Trigger(
                name="closed_for_good",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(old__closed_at__isnull=False),
                func="RAISE EXCEPTION 'dispute % is closed', OLD.stripe_id"
                " USING ERRCODE = 'integrity_constraint_violation';",
            )
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} ({self.status})"
