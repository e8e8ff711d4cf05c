"""Traces that wait for a person, and which feed bills what."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin, TabularInline

from agents import feeds
from agents.admin.reading import ReadOnly, Resolving
from agents.models import Feed, Span, Trace
from agents.models.feeds import FeedSource
from agents.otlp import traces
from metering import usage
from metering.admin.evidence import ReasonForm


class SpanInline(ReadOnly, TabularInline):  # type: ignore[misc] # unfold ships no types
    """The spans of a trace, as kept."""

    model = Span
    fields = ("span_id", "parent_id", "kind", "failed", "started_at", "ended_at", "scope", "facts", "written_as")
    ordering = ("started_at", "span_id")
    extra = 0


@admin.register(Trace)
class TraceAdmin(Resolving, ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Traces; those in review wait for a person."""

    list_display = ("trace_id", "customer", "environment", "state", "issue", "detail", "first_received_at", "issue_at")
    list_filter = ("state", "issue", "environment")
    list_select_related = ("customer",)
    search_fields = ("=trace_id", "customer__key")
    ordering = ("-pk",)
    inlines = (SpanInline,)
    action_form = ReasonForm
    actions = ("accept", "dismiss")

    @admin.action(description="Accept: what is there counts", permissions=["resolve"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Trace]) -> None:
        """Let the chosen traces become usage as they are."""
        self.close(request, queryset, _accept)

    @admin.action(description="Dismiss: it does not count", permissions=["resolve"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Trace]) -> None:
        """Close the chosen traces without usage."""
        self.close(request, queryset, _dismiss)


def _accept(trace: Trace, actor: str, reason: str, now: datetime) -> str | None:
    accepted = traces.accept(trace=trace, actor=actor, reason=reason, now=now)
    return None if accepted else "metering still rejects some of it"


def _dismiss(trace: Trace, actor: str, reason: str, now: datetime) -> None:
    traces.dismiss(trace=trace, actor=actor, reason=reason, now=now)


class FeedForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A declaration; what is wrong with it is said at its field."""

    class Meta:
        model = Feed
        fields = ("customer", "agent", "meter", "source", "starts_at")

    @override
    def clean(self) -> dict[str, Any]:
        """Check it as `feeds.declare` does, so that a fault is shown and not raised."""
        said = self.cleaned_data
        types = {one.key: one.event_type for one in usage.meters()}
        if said.get("meter") and said["meter"] not in types:
            self.add_error("meter", f"There is no meter {said['meter']!r}.")
        if said.get("starts_at") and said["starts_at"] < datetime.now(UTC) + feeds.LEAD:
            self.add_error("starts_at", f"At the soonest {feeds.LEAD.seconds // 60} minutes from now.")
        same = {name: said.get(name) for name in ("customer", "agent", "starts_at")}
        if not self.errors and Feed.objects.filter(event_type=types[said["meter"]], **same).exists():
            self.add_error("starts_at", "A feed was declared for this instant already.")
        return said


@admin.register(Feed)
class FeedAdmin(ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Which feed bills; a declaration is never changed, another follows it."""

    form = FeedForm
    list_display = ("customer", "agent", "meter", "source", "starts_at", "declared_by")
    list_filter = ("source",)
    list_select_related = ("customer",)
    search_fields = ("customer__key", "agent", "meter")
    ordering = ("-starts_at",)

    @override
    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody: the usage before it was billed by it."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    @override
    def save_model(self, request: HttpRequest, obj: Feed, form: FeedForm, change: bool) -> None:
        """Declare it by the package's own function."""
        stored = feeds.declare(
            customer=obj.customer,
            meter=obj.meter,
            source=FeedSource(obj.source),
            starts_at=obj.starts_at,
            actor=f"user:{request.user.get_username()}",
            now=datetime.now(UTC),
            agent=obj.agent,
        )
        obj.pk, obj._state.adding = stored.pk, False
