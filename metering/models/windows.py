"""What the events add up to: folds, and the hourly windows that they fill."""

import pgtrigger
from django.db import models
from django.db.models import Q

from metering.models.definitions import Meter
from metering.models.evidence import Environment


class Fold(models.Model):
    """One run that counted batches into windows. Its number is the cut-off that an invoice records."""

    number = models.BigAutoField(primary_key=True)
    folded_at = models.DateTimeField()
    batches = models.PositiveIntegerField()
    events = models.PositiveBigIntegerField()

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"fold {self.number}"


class Window(models.Model):
    """One hour (UTC) of usage: of a customer, meter, environment and set of dimensions. Only folds write it."""

    customer_id = models.BigIntegerField()
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT)
    starts_at = models.DateTimeField()
    environment = models.CharField(max_length=10, choices=Environment.choices)
    dimensions = models.JSONField(help_text="Each dimension of the meter with its text, or null.")
    count = models.BigIntegerField()
    total = models.DecimalField(max_digits=38, decimal_places=12)
    minimum = models.DecimalField(max_digits=38, decimal_places=12)
    maximum = models.DecimalField(max_digits=38, decimal_places=12)
    weighted = models.DecimalField(
        max_digits=38,
        decimal_places=12,
        help_text="For a level: the sum of each value times the seconds from its event to the end of the hour.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="window_once", fields=["customer_id", "meter", "starts_at", "environment", "dimensions"]
            ),
            models.CheckConstraint(name="window_counts_something", condition=Q(count__gt=0)),
            models.CheckConstraint(name="window_is_ordered", condition=Q(maximum__gte=models.F("minimum"))),
        ]

    def __str__(self) -> str:
        return f"{self.meter_id} {self.starts_at:%Y-%m-%dT%H}"
