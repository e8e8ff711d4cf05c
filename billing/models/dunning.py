"""Dunning: what a customer was told of an unpaid invoice, and since when its agents may not spend."""

import pgtrigger
from django.db import models

from agents.models import Customer
from billing.models.invoices import Invoice


class Reminder(models.Model):
    """A step of dunning that was taken for an invoice: `step` counts from 1, the last one announces suspension."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="reminders")
    step = models.PositiveSmallIntegerField()
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "step"], name="reminder_once_a_step"),
            models.CheckConstraint(condition=models.Q(step__gte=1), name="reminder_step_from_one"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"step {self.step} for invoice {self.invoice_id}"


class Suspension(models.Model):
    """While `lifted_at` is empty, nothing new is allowed to the customer; what was used stays counted and billed."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="suspensions")
    since = models.DateTimeField()
    reason = models.CharField(max_length=250)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_reason = models.CharField(max_length=250, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], condition=models.Q(lifted_at__isnull=True), name="suspension_once_at_a_time"
            ),
            models.CheckConstraint(
                condition=models.Q(lifted_at__isnull=True, lifted_reason="")
                | (models.Q(lifted_at__isnull=False) & ~models.Q(lifted_reason="")),
                name="suspension_lifted_for_a_reason",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="only_lifted",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func="""
                    IF OLD.lifted_at IS NULL
                       AND (OLD.customer_id, OLD.since, OLD.reason) = (NEW.customer_id, NEW.since, NEW.reason)
                    THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'suspension % can only be lifted, once', OLD.id
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} since {self.since:%Y-%m-%d}"


class MailState(models.TextChoices):
    """Whether a mail has left."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Mail(models.Model):
    """A mail to a customer, committed with its cause and sent afterwards; `key` names the cause, so there is one."""

    key = models.CharField(max_length=150, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="mails")
    recipient = models.EmailField()
    subject = models.CharField(max_length=250)
    text = models.TextField()
    html = models.TextField()
    state = models.CharField(max_length=7, choices=MailState.choices, default=MailState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=MailState.values), name="mail_state"),
            models.CheckConstraint(
                condition=models.Q(state="sent", sent_at__isnull=False)
                | (~models.Q(state="sent") & models.Q(sent_at__isnull=True)),
                name="mail_sent_at",
            ),
        ]
        indexes = [models.Index(fields=["not_before"], condition=models.Q(state="pending"), name="mail_pending")]
        triggers = [
            pgtrigger.Trigger(
                name="content_fixed",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("key", "customer", "recipient", "subject", "text", "html"),
                func="RAISE EXCEPTION 'mail % is fixed', OLD.key USING ERRCODE = 'integrity_constraint_violation';",
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"
