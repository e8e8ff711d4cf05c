"""Prepaid credit that is bought again when little is left."""

from django.db import models

from agents.models import Customer
from billing.models.credits import CreditGrant


class TopUpRule(models.Model):
    """Buys a customer prepaid credit of `amount` when less than `threshold` is left, `max_per_day` times at most."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="top_up_rules")
    currency = models.CharField(max_length=3)
    threshold = models.DecimalField(max_digits=20, decimal_places=4)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    max_per_day = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "currency"],
                condition=models.Q(stopped_at__isnull=True),
                name="top_up_rule_one_live_a_currency",
            ),
            models.CheckConstraint(condition=models.Q(threshold__gte=0), name="top_up_rule_threshold_not_negative"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="top_up_rule_positive"),
            models.CheckConstraint(condition=models.Q(max_per_day__gt=0), name="top_up_rule_sometimes"),
        ]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.currency} below {self.threshold.normalize():f}"


class TopUpStatus(models.TextChoices):
    """A top-up waits for its money, or has become credit, or was given up."""

    DUE = "due"
    PAID = "paid"
    CANCELED = "canceled"


class TopUp(models.Model):
    """One purchase of prepaid credit by rule; `day` is the customer's own, `number` counts within it.

    `payment` names the money that came for it, as the bank or the provider does; no money pays two top-ups.
    """

    rule = models.ForeignKey(TopUpRule, on_delete=models.PROTECT, related_name="top_ups")
    day = models.DateField()
    number = models.PositiveSmallIntegerField()
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    status = models.CharField(max_length=8, choices=TopUpStatus.choices, default=TopUpStatus.DUE)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    payment = models.CharField(max_length=120, unique=True, null=True, blank=True)
    grant = models.OneToOneField(CreditGrant, on_delete=models.PROTECT, related_name="top_up", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "day", "number"], name="top_up_numbered_once_a_day"),
            models.UniqueConstraint(fields=["rule"], condition=models.Q(status="due"), name="top_up_one_at_a_time"),
            models.CheckConstraint(condition=models.Q(number__gt=0), name="top_up_numbered_from_one"),
            models.CheckConstraint(condition=models.Q(status__in=TopUpStatus.values), name="top_up_status"),
            models.CheckConstraint(
                condition=models.Q(status="due", settled_at__isnull=True, grant__isnull=True)
                | models.Q(status="paid", settled_at__isnull=False, grant__isnull=False)
                | models.Q(status="canceled", settled_at__isnull=False, grant__isnull=True),
                name="top_up_settled",
            ),
            models.CheckConstraint(
                condition=models.Q(payment__isnull=True) | (models.Q(status="paid") & ~models.Q(payment="")),
                name="top_up_paid_by_a_payment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} by rule {self.rule_id} on {self.day}, {self.status}"
