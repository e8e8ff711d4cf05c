"""Who is on which plan, and the periods for which they are invoiced: stored rows, never recomputed."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models

from agents.models import Customer
from billing.models.catalog import PlanVersion


class TsTzRange(models.Func):
    """The half-open range of two timestamps, for the constraint that periods never overlap."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class Subscription(models.Model):
    """A customer's acceptance of a plan version, from `starts_at` until `ends_at` (exclusive, open when empty)."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="subscriptions")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    anchor_at = models.DateTimeField(help_text="The instant from which periods are counted; never moves.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], condition=models.Q(ends_at__isnull=True), name="subscription_one_live_a_customer"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=models.F("starts_at")),
                name="subscription_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} on version {self.version_id}"


class PeriodStatus(models.TextChoices):
    """Where a period stands on its way to an invoice; parked ones wait for a person."""

    OPEN = "open"
    CLOSED = "closed"
    PARKED = "parked"


class BillingPeriod(models.Model):
    """The half-open `[starts_at, ends_at)` for which a subscription is invoiced once.

    `full_starts_at` and `full_ends_at` bound the whole period of the plan; they differ from the period's own bounds
    where the subscription begins or ends within it, and are what proration divides by.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    full_starts_at = models.DateTimeField()
    full_ends_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=PeriodStatus.choices, default=PeriodStatus.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "starts_at"], name="billing_period_starts_once"),
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="billing_period_bounds"),
            models.CheckConstraint(
                condition=models.Q(full_starts_at__lte=models.F("starts_at"))
                & models.Q(full_ends_at__gte=models.F("ends_at")),
                name="billing_period_within_full",
            ),
            models.CheckConstraint(condition=models.Q(status__in=PeriodStatus.values), name="billing_period_status"),
            ExclusionConstraint(
                name="billing_period_no_overlap",
                expressions=[
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                    ("subscription", RangeOperators.EQUAL),
                ],
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], condition=models.Q(status="open"), name="billing_period_due")]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d} of subscription {self.subscription_id}"
