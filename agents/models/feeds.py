"""Which of two feeds bills: the events of the runtime and the API, or the traces of OpenTelemetry."""

import pgtrigger
from django.db import models
from django.db.models import Q

from agents.models.customers import Customer


class FeedSource(models.TextChoices):
    """The two ways in which the same usage can reach us."""

    EVENTS = "events"
    OTLP = "otlp"


class Feed(models.Model):
    """A declaration: from `starts_at` on, by the time of use, `source` bills; never changed, only followed by another.

    It is made for a meter and holds for every meter of the same events, since an event bills for all of them or none.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="feeds")
    agent = models.CharField(max_length=128, blank=True, help_text="The agent's key; empty for all that have no own.")
    meter = models.CharField(max_length=64, help_text="The meter it was declared for.")
    event_type = models.TextField(help_text="The events that the meter counts.")
    source = models.CharField(max_length=6, choices=FeedSource.choices, default=FeedSource.EVENTS)
    starts_at = models.DateTimeField()
    declared_at = models.DateTimeField()
    declared_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "agent", "event_type", "starts_at"], name="feed_once_an_instant"
            ),
            models.CheckConstraint(condition=Q(source__in=FeedSource.values), name="feed_source_known"),
            models.CheckConstraint(condition=Q(starts_at__gt=models.F("declared_at")), name="feed_starts_later"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.meter} of customer {self.customer_id}: {self.source}"
