"""Collection through Stripe: what we asked for, what we were told, what was paid."""

import pgtrigger
from django.db import models

from agents.models import Customer
from billing.models.invoices import Invoice


def _counterpart_fixed(*columns: str) -> pgtrigger.Trigger:
    """The trigger that keeps the id which completes a request, so that a message sent again is the same bytes."""
    return pgtrigger.Trigger(
        name="counterpart_fixed",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=pgtrigger.AnyChange(*columns),
        func="RAISE EXCEPTION 'the Stripe id % is fixed', OLD.stripe_id"
        " USING ERRCODE = 'integrity_constraint_violation';",
    )


class StripeCustomer(models.Model):
    """Our customer's counterpart at Stripe; broken once it was deleted there, until a person names another.

    `card` is what it pays with when nothing else is said, in words for people, such as "visa 4242"; empty for none.
    """

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, related_name="stripe")
    stripe_id = models.CharField(max_length=64, unique=True)
    livemode = models.BooleanField()
    card = models.CharField(max_length=80, blank=True)
    broken_at = models.DateTimeField(null=True, blank=True)
    broken_reason = models.CharField(max_length=250, blank=True)

    class Meta:
        triggers = [
            pgtrigger.Trigger(
                name="counterpart_fixed",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("customer", "stripe_id", "livemode"),
                # A person names another customer for a broken one; nothing else moves what completes a request.
                func="""
                    IF OLD.broken_at IS NOT NULL AND NEW.broken_at IS NULL AND NEW.customer_id = OLD.customer_id
                       AND NEW.livemode = OLD.livemode THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'the Stripe id % is fixed', OLD.stripe_id
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return self.stripe_id


class StripeInvoice(models.Model):
    """Our invoice's counterpart at Stripe, as last read there; our invoice stays the truth."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="stripe")
    stripe_id = models.CharField(max_length=64, unique=True)
    livemode = models.BooleanField()
    status = models.CharField(max_length=16)
    hosted_url = models.URLField(max_length=500, blank=True)
    pdf_url = models.URLField(max_length=500, blank=True)
    amount_due = models.DecimalField(
        max_digits=20, decimal_places=4, null=True, blank=True, help_text="What Stripe collects of it."
    )
    moved_to_balance = models.DecimalField(
        max_digits=20,
        decimal_places=4,
        default=0,
        help_text="What Stripe moved to the customer's balance there: above zero what was too small to charge.",
    )
    read_at = models.DateTimeField()

    class Meta:
        triggers = [_counterpart_fixed("invoice", "stripe_id", "livemode")]

    def __str__(self) -> str:
        return f"{self.stripe_id} ({self.status})"


class ObjectKind(models.TextChoices):
    """The smaller objects at Stripe that stand for rows of ours."""

    CREDIT_NOTE = "credit_note"
    REFUND = "refund"
    TAX_TRANSACTION = "tax_transaction"


class StripeObject(models.Model):
    """The counterpart at Stripe of a credit note, a refund or an invoice's tax; `reference` is our number of it."""

    kind = models.CharField(max_length=16, choices=ObjectKind.choices)
    reference = models.CharField(max_length=80)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="stripe_objects")
    stripe_id = models.CharField(max_length=64, unique=True)
    livemode = models.BooleanField()
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    status = models.CharField(max_length=20)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "reference"], name="stripe_object_once"),
            models.CheckConstraint(condition=models.Q(kind__in=ObjectKind.values), name="stripe_object_kind"),
        ]
        triggers = [_counterpart_fixed("kind", "reference", "invoice", "stripe_id", "livemode", "amount")]

    def __str__(self) -> str:
        return f"{self.stripe_id} ({self.status})"


class Operation(models.TextChoices):
    """The mutations we ask of Stripe."""

    CREATE_CUSTOMER = "create_customer"
    UPDATE_CUSTOMER = "update_customer"
    CREATE_INVOICE = "create_invoice"
    ADD_LINES = "add_lines"
    FINALIZE_INVOICE = "finalize_invoice"
    SEND_INVOICE = "send_invoice"
    PAY_INVOICE = "pay_invoice"
    VOID_INVOICE = "void_invoice"
    MARK_UNCOLLECTIBLE = "mark_uncollectible"
    CREATE_REFUND = "create_refund"
    CREATE_CREDIT_NOTE = "create_credit_note"
    VOID_CREDIT_NOTE = "void_credit_note"
    RECORD_TAX = "record_tax"


class OutboxState(models.TextChoices):
    """What is known of a mutation; indeterminate means that Stripe may or may not have done it.

    Declined: Stripe did as asked, and the bank said no. Superseded: a newer generation of the message asks instead.
    """

    PENDING = "pending"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    SUPERSEDED = "superseded"


class OutboxMessage(models.Model):
    """One mutation for Stripe, committed before it is sent; `key` is its idempotency key, made from our own row.

    A message whose key Stripe may have forgotten, or whose refusal it remembers, is asked again as another generation:
    a row of its own with a new key, in the place of its `origin`, the first one.
    """

    key = models.CharField(max_length=160, unique=True)
    operation = models.CharField(max_length=20, choices=Operation.choices)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="outbox")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="outbox", null=True, blank=True)
    subject = models.CharField(
        max_length=80,
        blank=True,
        help_text="Our number of what is asked for beside the invoice: a credit note, a refund.",
    )
    origin = models.ForeignKey("self", on_delete=models.PROTECT, related_name="generations", null=True, blank=True)
    generation = models.PositiveSmallIntegerField(default=1)
    request = models.TextField(help_text="Canonical JSON of the parameters, fixed when the row is made.")
    state = models.CharField(max_length=14, choices=OutboxState.choices, default=OutboxState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    first_sent_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    response = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(operation__in=Operation.values), name="outbox_operation"),
            models.CheckConstraint(condition=models.Q(state__in=OutboxState.values), name="outbox_state"),
            models.CheckConstraint(
                condition=models.Q(origin__isnull=True, generation=1)
                | models.Q(origin__isnull=False, generation__gt=1),
                name="outbox_later_generations_name_the_first",
            ),
            models.UniqueConstraint(fields=["origin", "generation"], name="outbox_generation_once"),
        ]
        indexes = [
            models.Index(
                fields=["not_before"],
                condition=models.Q(state__in=["pending", "sent", "indeterminate"]),
                name="outbox_unfinished",
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="request_fixed",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange(
                    "key", "operation", "customer", "invoice", "subject", "origin", "generation", "request"
                ),
                func="RAISE EXCEPTION 'outbox message % is fixed', OLD.key"
                " USING ERRCODE = 'integrity_constraint_violation';",
            ),
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"


class WebhookState(models.TextChoices):
    """What became of an event that Stripe told us."""

    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"
    FAILED = "failed"


class WebhookEvent(models.Model):
    """One verified event from Stripe, kept before it is acted on; unique by Stripe's id."""

    stripe_id = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=100)
    livemode = models.BooleanField()
    api_version = models.CharField(max_length=40, blank=True)
    payload = models.JSONField()
    received_at = models.DateTimeField()
    not_before = models.DateTimeField(help_text="When it is applied next; later after each failed attempt.")
    state = models.CharField(max_length=10, choices=WebhookState.choices, default=WebhookState.RECEIVED)
    attempts = models.PositiveIntegerField(default=0)
    applied_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(state__in=WebhookState.values), name="webhook_state")]
        indexes = [
            models.Index(
                fields=["not_before"], condition=models.Q(state__in=["received", "failed"]), name="webhook_unapplied"
            )
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.type}"


class Payment(models.Model):
    """Money that arrived for an invoice, as Stripe reports it; append-only."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    stripe_id = models.CharField(max_length=64, unique=True)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    currency = models.CharField(max_length=3)
    paid_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_positive")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} for invoice {self.invoice_id}"
