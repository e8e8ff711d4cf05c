"""What may be counted: meters, and what identifies the billable unit of each type of event. Rows, not code."""

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class AggregationKind(models.TextChoices):
    """The aggregations of `metering.aggregation`, as the column holds them."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    UNIQUE = "unique"
    LATEST = "latest"
    PEAK = "peak"
    LEVEL = "level"


class Statistic(models.TextChoices):
    """What a peak is among the sums of its fixed windows."""

    MAX = "max"
    P95 = "p95"


class EventType(models.Model):
    """A type of event whose data names a billable unit that is counted once; other types have no unit."""

    type = models.TextField(primary_key=True)
    identity = models.JSONField(help_text="The data fields that together identify the unit, in order.")

    class Meta:
        constraints = [
            models.CheckConstraint(name="event_type_is_named", condition=~Q(type="")),
        ]

    def __str__(self) -> str:
        return self.type


class Meter(models.Model):
    """The named rule that makes a quantity from events. Its definition never changes; a new rule is a new meter.

    An archived meter counts nothing that is folded after `last_fold`, and can still be read.
    """

    key = models.SlugField(max_length=64, unique=True)
    name = models.TextField()
    unit = models.TextField(help_text="What one unit of the quantity is, such as turn.")
    event_type = models.TextField()
    aggregation = models.CharField(max_length=16, choices=AggregationKind.choices)
    value_field = models.TextField(
        blank=True, help_text="The data field that is aggregated; empty where each event is one."
    )
    scale = models.DecimalField(
        max_digits=38, decimal_places=12, default=Decimal(1), help_text="The value is multiplied by this."
    )
    window_seconds = models.PositiveIntegerField(default=3600, help_text="The width of a peak's fixed windows.")
    statistic = models.CharField(
        max_length=3,
        choices=Statistic.choices,
        default=Statistic.MAX,
        help_text="Of a peak: the highest window, or the 95th percentile of all windows, empty ones included.",
    )
    dimensions = models.JSONField(default=list, help_text="The data fields that usage may be grouped and filtered by.")
    filters = models.JSONField(default=list, help_text='Conditions: {"field", "operator": "in" | "not_in", "values"}.')
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)
    last_fold = models.BigIntegerField(null=True, blank=True, help_text="The last fold that an archived meter counts.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="meter_aggregation_is_known", condition=Q(aggregation__in=AggregationKind.values)
            ),
            models.CheckConstraint(
                name="meter_has_value_unless_it_counts",
                condition=Q(aggregation=AggregationKind.PEAK)
                | Q(aggregation=AggregationKind.COUNT, value_field="")
                | (~Q(aggregation=AggregationKind.COUNT) & ~Q(value_field="")),
            ),
            models.CheckConstraint(name="meter_scale_is_sane", condition=Q(scale__gt=0) & Q(scale__lte=10**6)),
            models.CheckConstraint(name="meter_window_is_positive", condition=Q(window_seconds__gt=0)),
            models.CheckConstraint(name="meter_statistic_is_known", condition=Q(statistic__in=Statistic.values)),
            models.CheckConstraint(
                name="meter_archived_at_a_fold",
                condition=Q(archived_at__isnull=True, last_fold__isnull=True)
                | Q(archived_at__isnull=False, last_fold__isnull=False),
            ),
            models.CheckConstraint(name="meter_is_named", condition=~Q(key="") & ~Q(name="") & ~Q(unit="")),
            models.CheckConstraint(name="meter_counts_a_type", condition=~Q(event_type="")),
        ]
        triggers = [
            pgtrigger.Protect(
                name="definition_stands",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["name", "archived_at", "last_fold"]),
            ),
            pgtrigger.Protect(
                name="archived_once", operation=pgtrigger.Update, condition=pgtrigger.Q(old__archived_at__isnull=False)
            ),
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.key
