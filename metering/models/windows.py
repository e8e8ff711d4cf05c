"""What the events add up to: folds, the series of usage, and the windows of time that folds fill."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from metering.models.definitions import Meter
from metering.models.evidence import Environment


class Fold(models.Model):
    """One run that counted batches and took back voided events. Its number is the cut-off that an invoice records."""

    number = models.BigAutoField(primary_key=True)
    folded_at = models.DateTimeField()
    batches = models.PositiveIntegerField()
    events = models.PositiveBigIntegerField()
    voids = models.PositiveIntegerField(db_default=0)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"fold {self.number}"


class Coverage(models.Model):
    """Which folds the windows of a meter hold: those from `from_fold` on, and those up to `through_fold`.

    A meter starts with the fold that first saw it; a back-fill then works its way up from the oldest fold. `since` is
    the time of use from which on it found all events stored, null where none had been archived.
    """

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True)
    from_fold = models.BigIntegerField()
    through_fold = models.BigIntegerField()
    since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.meter_id}: to {self.through_fold} and from {self.from_fold}"


class Series(models.Model):
    """What windows are told apart by: a set of dimensions, or for `is_total` none; and for `unique` a value.

    `id` is a hash of all other columns, so that a fold needs no look-up.
    """

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer_id = models.BigIntegerField()
    id = models.UUIDField()
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    environment = models.CharField(max_length=10, choices=Environment.choices)
    is_total = models.BooleanField()
    dimensions = models.JSONField(help_text="Each dimension of the meter with its text, or null.")
    member = models.TextField(null=True, help_text="The value that `unique` counts.")  # noqa: DJ001 - null: no such

    class Meta:
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return f"{self.customer_id}/{self.id}"


class Window(models.Model):
    """The usage of one series in `width` seconds from `starts_at` on, counted from 1970 in UTC. Only folds write it.

    Of the amounts it holds those that its meter's aggregation needs; the others are null.
    """

    pk = models.CompositePrimaryKey(
        "customer_id", "meter_id", "environment", "is_total", "width", "starts_at", "series_id"
    )
    customer_id = models.BigIntegerField()
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    environment = models.CharField(max_length=10, choices=Environment.choices)
    is_total = models.BooleanField()
    width = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    series_id = models.UUIDField()
    count = models.BigIntegerField()
    total = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    minimum = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    maximum = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    weighted = models.DecimalField(
        max_digits=38,
        decimal_places=12,
        null=True,
        help_text="For a level: the sum of each value times the seconds from its event to the end of the window.",
    )
    last = ArrayField(
        models.TextField(), null=True, help_text="For the latest: time, source, id and value of its last event."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="window_counts_something", condition=Q(count__gt=0)),
            models.CheckConstraint(name="window_is_ordered", condition=Q(maximum__gte=F("minimum"))),
        ]

    def __str__(self) -> str:
        return f"{self.meter_id} {self.starts_at:%Y-%m-%dT%H:%M} {self.width} s"
