"""Who is on which plan, what was agreed since, and the cycles that are invoiced: stored rows, never recomputed."""

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models

from agents.models import Customer
from billing.models.catalog import PlanVersion

_WITHIN_BOUNDS = models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=models.F("starts_at"))


class TsTzRange(models.Func):
    """The half-open range of two timestamps, for the constraint that periods never overlap."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class Subscription(models.Model):
    """A customer's acceptance of a plan, from `starts_at` until `ends_at` (exclusive, open when empty).

    Currency and zone are the customer's at the start and stay: they decide prices and the bounds of periods. `version`
    is the one agreed on last, which may hold only from a later time on; what holds when is in the terms of its changes.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="subscriptions")
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    anchor_at = models.DateTimeField(help_text="The instant from which periods are counted; never moves.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="subscription_one_at_a_time",
                expressions=[
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                    ("customer", RangeOperators.EQUAL),
                ],
            ),
            models.CheckConstraint(condition=_WITHIN_BOUNDS, name="subscription_ends_after_start"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="basis_fixed",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("customer", "currency", "time_zone", "starts_at", "anchor_at"),
                func="RAISE EXCEPTION 'subscription %: who, currency, zone, start and anchor are fixed', OLD.id"
                " USING ERRCODE = 'integrity_constraint_violation';",
            )
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} on version {self.version_id}"


class ChangeKind(models.TextChoices):
    """What was done to a subscription."""

    START = "start"
    CHANGE = "change"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    KEEP = "keep"
    OVERRIDE = "override"
    MIGRATE = "migrate"


class SubscriptionChange(models.Model):
    """One thing that was agreed, by whom and why; its terms are the whole subscription as it stood from then on.

    Append-only: an invoice names the change it was rated under, and can be rated so again whatever came later.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="changes")
    number = models.PositiveIntegerField(help_text="Counted from 1 within the subscription.")
    kind = models.CharField(max_length=10, choices=ChangeKind.choices)
    at = models.DateTimeField(help_text="From when it holds; the instant belongs to the new state.")
    actor = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "number"], name="subscription_change_numbered_once"),
            models.CheckConstraint(condition=models.Q(kind__in=ChangeKind.values), name="subscription_change_kind"),
            models.CheckConstraint(condition=~models.Q(actor=""), name="subscription_change_actor"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of subscription {self.subscription_id}"


class SubscriptionTerm(models.Model):
    """On which version a subscription stands in `[starts_at, ends_at)`, and in which phase of it (0 is the first).

    Neither a trial nor a pause is charged; what is used meanwhile is on the invoice and costs nothing.
    """

    change = models.ForeignKey(SubscriptionChange, on_delete=models.PROTECT, related_name="terms")
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="terms")
    phase = models.PositiveSmallIntegerField(null=True, blank=True, help_text="None after the last phase.")
    is_trial = models.BooleanField(default=False)
    is_paused = models.BooleanField(default=False)
    begins_cycle = models.BooleanField(default=False, help_text="What came before is invoiced when it begins.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=_WITHIN_BOUNDS, name="subscription_term_bounds"),
            ExclusionConstraint(
                name="subscription_term_no_overlap",
                expressions=[
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                    ("change", RangeOperators.EQUAL),
                ],
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"version {self.version_id} from {self.starts_at:%Y-%m-%d}"


class CardOverride(models.Model):
    """What one customer pays instead: fields of a rate card that differ in `[starts_at, ends_at)`.

    Append-only; where two overlap, that of the later change holds, and one without fields gives the plan's own back.
    """

    change = models.ForeignKey(SubscriptionChange, on_delete=models.PROTECT, related_name="overrides")
    card = models.SlugField(max_length=64, help_text="Key of the rate card.")
    fields = models.JSONField(help_text="As in a plan's document.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=_WITHIN_BOUNDS, name="card_override_bounds")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.card} by change {self.change_id}"


class PeriodStatus(models.TextChoices):
    """Where a period stands on its way to an invoice; parked ones wait for a person."""

    OPEN = "open"
    CLOSED = "closed"
    PARKED = "parked"


class Opening(models.TextChoices):
    """Whether a period has an invoice of its own for what is due in advance; else that is on the invoice before it."""

    NONE = "none"
    DUE = "due"
    DONE = "done"


class BillingPeriod(models.Model):
    """The half-open cycle `[starts_at, ends_at)` at whose end a subscription is invoiced, once.

    `full_starts_at` and `full_ends_at` bound the whole cycle around it; they differ from its own bounds where the
    subscription begins, ends or changes within it, and are what proration divides by. What a card is charged for may be
    another stretch of time (in advance, yearly): that is on the invoice's lines.
    """

    # The constraint on subscription and start has the index that finds the periods of a subscription.
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    full_starts_at = models.DateTimeField()
    full_ends_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=PeriodStatus.choices, default=PeriodStatus.OPEN)
    opening = models.CharField(max_length=4, choices=Opening.choices, default=Opening.NONE)
    carried = models.JSONField(
        default=dict, blank=True, help_text="Unused allowance for the next period, by card or pool, in decimal texts."
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.TextField(blank=True)
    fold = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The fold up to which its usage, and any before, is settled; later is late."
    )
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When it was last found to wait for something.")
    is_released = models.BooleanField(
        default=False, db_default=False, help_text="A person has said that it may be closed beyond the bounds."
    )

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
            models.CheckConstraint(condition=models.Q(opening__in=Opening.values), name="billing_period_opening"),
            models.CheckConstraint(
                condition=~models.Q(status="closed", opening="due"), name="billing_period_opened_before_closed"
            ),
            ExclusionConstraint(
                name="billing_period_no_overlap",
                # The subscription first: thousands have the same month, and a search by month would read them all.
                expressions=[
                    ("subscription", RangeOperators.EQUAL),
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
            ),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=models.Q(status="open"), name="billing_period_due"),
            models.Index(
                fields=["starts_at"],
                condition=models.Q(status="open", opening="due"),
                name="billing_period_opening_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d} of subscription {self.subscription_id}"
