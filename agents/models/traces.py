"""Traces on their way to becoming usage: spans wait until their trace is whole, reduced to what billing may know."""

from django.db import models
from django.db.models import Q

from agents.models.customers import Customer
from agents.models.keys import ApiKey, Environment


class TraceState(models.TextChoices):
    """Where a trace stands; only `done` has become usage."""

    OPEN = "open"
    DONE = "done"
    REVIEW = "review"
    DISMISSED = "dismissed"


class TraceIssue(models.TextChoices):
    """Why a trace waits for a person."""

    INCOMPLETE = "incomplete_trace"
    CHANGED = "late_change"
    REFUSED = "refused_events"


class SpanKind(models.TextChoices):
    """What a span is to billing, whichever framework wrote it."""

    AGENT = "agent"
    MODEL = "model"
    TOOL = "tool"
    OTHER = "other"


class UnitKind(models.TextChoices):
    """What a span was written as."""

    TURN = "turn"
    SUBTURN = "subturn"
    DECISION = "decision"
    TOOL_CALL = "tool_call"


class Trace(models.Model):
    """One run of a customer's agent as OpenTelemetry saw it; looked at when `due_at` has come."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="traces")
    environment = models.CharField(max_length=4, choices=Environment.choices, help_text="That of the key.")
    trace_id = models.CharField(max_length=32, help_text="16 bytes in lower-case hexadecimal.")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, help_text="The key that sent its first span.")
    state = models.CharField(max_length=9, choices=TraceState.choices, default=TraceState.OPEN)
    first_received_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="When it is to be looked at next.")
    completed_at = models.DateTimeField(null=True, blank=True, help_text="When it became usage.")
    issue = models.CharField(max_length=16, choices=TraceIssue.choices, blank=True)
    issue_at = models.DateTimeField(null=True, blank=True)
    detail = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    resolution = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(name="trace_due", fields=["due_at"], condition=Q(state="open")),
            models.Index(name="trace_in_review", fields=["customer"], condition=Q(state="review")),
            models.Index(name="trace_completed", fields=["completed_at"]),
        ]
        constraints = [
            models.UniqueConstraint(fields=["customer", "environment", "trace_id"], name="trace_once_a_customer"),
            models.CheckConstraint(condition=Q(state__in=TraceState.values), name="trace_state_known"),
            models.CheckConstraint(condition=Q(environment__in=Environment.values), name="trace_environment_known"),
            models.CheckConstraint(
                condition=~Q(state="review") | (~Q(issue="") & Q(issue_at__isnull=False)),
                name="trace_in_review_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"trace {self.trace_id} of customer {self.customer_id}"


class Span(models.Model):
    """One span, normalised; of its attributes only those of `agents.otlp.conventions` are kept, no content ever."""

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="spans")
    span_id = models.CharField(max_length=16, help_text="8 bytes in lower-case hexadecimal.")
    parent_id = models.CharField(max_length=16, blank=True, help_text="Empty where it is a root.")
    kind = models.CharField(max_length=5, choices=SpanKind.choices)
    failed = models.BooleanField(help_text="Its status is ERROR.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    scope = models.CharField(max_length=100, help_text="The instrumentation that wrote it.")
    facts = models.JSONField(help_text="What is known of it, by our names.")
    digest = models.BinaryField(max_length=16, help_text="By which a repetition is told from a contradiction.")
    written_as = models.CharField(max_length=9, choices=UnitKind.choices, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace", "span_id"], name="span_once_a_trace"),
            models.CheckConstraint(condition=Q(kind__in=SpanKind.values), name="span_kind_known"),
        ]

    def __str__(self) -> str:
        return f"span {self.span_id} of trace {self.trace_id}"
