"""The admin of metering: everything can be seen, nothing can be changed."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin

from metering.models import Batch, Event, Fold, Meter, Refusal


class EvidenceAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """A list and a page per row, without any way to change it."""

    list_per_page = 50
    show_full_result_count = False  # counting millions of events would take longer than showing fifty

    @override
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds by hand."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody changes what was received."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes what was received."""
        return False


@admin.register(Meter)
class MeterAdmin(EvidenceAdmin):
    """The meters; a definition never changes."""

    list_display = ("key", "name", "unit", "event_type", "aggregation", "dimensions")
    ordering = ("key",)


@admin.register(Batch)
class BatchAdmin(EvidenceAdmin):
    """What was received, by request."""

    list_display = ("id", "customer_id", "received_at", "event_count", "device_id", "first_sequence", "fold")
    list_filter = ("received_at",)
    search_fields = ("=id", "=customer_id", "=device_id")
    ordering = ("-id",)


@admin.register(Event)
class EventAdmin(EvidenceAdmin):
    """The events of a batch or with an id; before a search, those of the newest batches."""

    list_display = ("event_id", "customer_id", "type", "time", "subject", "environment", "batch_id")
    search_fields = ("event_id", "batch")
    search_help_text = "An event id, or the number of a batch."
    ordering = ("batch_id", "place")

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Event], search_term: str
    ) -> tuple[models.QuerySet[Event], bool]:
        """Narrow the list down: one of all events would be a scan of all events."""
        term = search_term.strip()
        if not term:
            newest = Batch.objects.order_by("-id").values_list("id", flat=True)[:20]
            return queryset.filter(batch_id__in=list(newest)), False
        return queryset.filter(batch_id=int(term)) if term.isdecimal() else queryset.filter(event_id=term), False


@admin.register(Fold)
class FoldAdmin(EvidenceAdmin):
    """When batches were counted."""

    list_display = ("number", "folded_at", "batches", "events")
    ordering = ("-number",)


@admin.register(Refusal)
class RefusalAdmin(EvidenceAdmin):
    """What was refused, and why."""

    list_display = ("id", "customer_id", "received_at", "verdict", "reason", "pointer", "event_id")
    list_filter = ("verdict", "reason")
    search_fields = ("=event_id", "=customer_id")
    ordering = ("-id",)
