"""Rehearsals: what customers would have paid on a plan version, run in the background and kept for the decision."""

from django.conf import settings
from django.db import models

from agents.models import Customer
from billing.models.catalog import PlanVersion


class RehearsalState(models.TextChoices):
    """How far a rehearsal is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Rehearsal(models.Model):
    """A back-test of one version: the last `periods` closed periods of every customer, priced anew.

    `digest` is that of the version's content when it was asked for; a draft edited since deserves another one.
    """

    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="rehearsals")
    digest = models.CharField(max_length=64)
    periods = models.PositiveIntegerField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=RehearsalState.choices, default=RehearsalState.WAITING)
    fold = models.PositiveBigIntegerField(null=True, blank=True, help_text="The usage fold that was read.")
    customers_done = models.PositiveIntegerField(default=0)
    customers_total = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(periods__gt=0), name="rehearsal_periods_above_zero"),
            models.CheckConstraint(condition=models.Q(state__in=RehearsalState.values), name="rehearsal_state"),
        ]

    def __str__(self) -> str:
        return f"{self.state} rehearsal of version {self.version_id} over {self.periods} periods"


class RehearsalResult(models.Model):
    """One customer in a rehearsal: what its invoices said `before`, and what they would have `after`.

    Both are without tax and credits. A customer that could not be priced has a `reason` and no part in the sums.
    """

    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.CASCADE, related_name="results")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    periods = models.PositiveIntegerField()
    before = models.DecimalField(max_digits=20, decimal_places=4)
    after = models.DecimalField(max_digits=20, decimal_places=4)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rehearsal", "customer"], name="rehearsal_result_once"),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} in rehearsal {self.rehearsal_id}"
