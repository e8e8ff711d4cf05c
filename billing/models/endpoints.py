"""Webhooks out: where a customer wants to be told, what happened, and every attempt to say so."""

from datetime import datetime

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.models import Customer


class EventType(models.TextChoices):
    """What a customer can be told of."""

    INVOICE_FINALIZED = "invoice.finalized"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_PAYMENT_FAILED = "invoice.payment_failed"
    INVOICE_OVERDUE = "invoice.overdue"
    PAYMENT_RECEIVED = "payment.received"
    CREDIT_NOTE_ISSUED = "credit_note.issued"
    CUSTOMER_SUSPENDED = "customer.suspended"
    CUSTOMER_REINSTATED = "customer.reinstated"
    BUDGET_THRESHOLD_REACHED = "budget.threshold_reached"
    BUDGET_EXCEEDED = "budget.exceeded"
    DEVICE_GAP = "device.gap"
    DEVICE_FORK = "device.fork"
    DEVICE_REPLAY = "device.replay"
    DEVICE_CLOCK = "device.clock"
    ENDPOINT_TEST = "endpoint.test"


class Endpoint(models.Model):
    """An address of a customer's that is told what happens; `types` empty means everything.

    The secret signs (Standard Webhooks), so it is kept as it is; it is shown once. While `previous_until` lies ahead,
    the secret before it signs too.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="endpoints")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    types = ArrayField(models.CharField(max_length=40, choices=EventType.choices), default=list, blank=True)
    secret = models.CharField(max_length=100)
    previous_secret = models.CharField(max_length=100, blank=True)
    previous_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    failing_since = models.DateTimeField(null=True, blank=True, help_text="The first failure since the last success.")
    disabled_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing is sent to it.")
    disabled_reason = models.CharField(max_length=200, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(previous_secret="", previous_until__isnull=True)
                | (~models.Q(previous_secret="") & models.Q(previous_until__isnull=False)),
                name="endpoint_previous_secret_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(disabled_at__isnull=True) | ~models.Q(disabled_reason=""),
                name="endpoint_disabled_for_a_reason",
            ),
        ]
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.url} of customer {self.customer_id}"

    def has_previous_secret(self, *, now: datetime) -> bool:
        """Whether the secret before this one still signs."""
        return self.previous_until is not None and self.previous_until > now


class Announcement(models.Model):
    """Something that happened, written in the transaction of its cause; `key` names the cause, so it is told once.

    `body` is the exact text that is sent and signed, however often.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="announcements")
    key = models.CharField(max_length=150)
    message_id = models.CharField(max_length=64, unique=True, help_text="The webhook-id header.")
    type = models.CharField(max_length=40, choices=EventType.choices)
    occurred_at = models.DateTimeField()
    body = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "key"], name="announcement_once_a_cause"),
            models.CheckConstraint(condition=models.Q(type__in=EventType.values), name="announcement_type"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.key} of customer {self.customer_id}"


class DeliveryState(models.TextChoices):
    """Whether an endpoint has been told."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(models.Model):
    """One announcement on its way to one endpoint.

    `tries` counts since it was asked for last (a replay begins again), `attempts` for ever: it names who holds it.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deliveries")
    announcement = models.ForeignKey(Announcement, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    tries = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "announcement"], name="delivery_once_an_endpoint"),
            models.CheckConstraint(condition=models.Q(state__in=DeliveryState.values), name="delivery_state"),
            models.CheckConstraint(
                condition=models.Q(state="pending", finished_at__isnull=True)
                | (~models.Q(state="pending") & models.Q(finished_at__isnull=False)),
                name="delivery_finished_at",
            ),
        ]
        indexes = [models.Index(fields=["not_before"], condition=models.Q(state="pending"), name="delivery_pending")]

    def __str__(self) -> str:
        return f"announcement {self.announcement_id} to endpoint {self.endpoint_id} ({self.state})"


class DeliveryAttempt(models.Model):
    """What came of one attempt: the answer's status and beginning, or why there was none; append-only."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="log")
    number = models.PositiveIntegerField()
    sent_at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField(help_text="How long the endpoint took.")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the HTTP answer, where one came.")
    answer = models.TextField(blank=True, help_text="The first characters of the answer.")
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_numbered_once"),
            models.CheckConstraint(
                condition=models.Q(status__isnull=False) | ~models.Q(error=""), name="delivery_attempt_tells"
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery {self.delivery_id}"
