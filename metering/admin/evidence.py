"""What was received: everything can be seen, nothing changed; an event can be taken back, with a reason."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin
from unfold.forms import ActionForm

from metering import corrections
from metering.errors import MeteringError
from metering.models import Batch, Event, Fold, Refusal, Void


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


@admin.register(Batch)
class BatchAdmin(EvidenceAdmin):
    """What was received, by request."""

    list_display = ("id", "customer_id", "received_at", "event_count", "device_id", "first_sequence", "fold")
    list_filter = ("received_at",)
    search_fields = ("=id", "=customer_id", "=device_id")
    ordering = ("-id",)


class ReasonForm(ActionForm):  # type: ignore[misc]
    """Asks why, beside the choice of what to do."""

    reason = forms.CharField(
        label="",
        required=False,
        max_length=corrections.TEXT_LIMIT,
        widget=forms.TextInput(
            attrs={"placeholder": "Reason", "class": "px-3 py-1 rounded-default text-sm bg-white/20"}
        ),
    )


@admin.register(Event)
class EventAdmin(EvidenceAdmin):
    """The events of a batch or with an id; before a search, those of the newest batches."""

    list_display = ("event_id", "customer_id", "type", "time", "subject", "environment", "batch_id")
    search_fields = ("event_id", "batch")
    search_help_text = "An event id, or the number of a batch."
    ordering = ("batch_id", "place")
    action_form = ReasonForm
    actions = ("take_back",)

    def has_void_permission(self, request: HttpRequest) -> bool:
        """Whether this person may take events back."""
        return request.user.has_perm("metering.add_void")

    @admin.action(description="Take back: it counts no more", permissions=["void"])
    def take_back(self, request: HttpRequest, queryset: models.QuerySet[Event]) -> None:
        """Take the chosen events back, each by itself; those that cannot be are named."""
        reason, actor, now = request.POST.get("reason", ""), f"user:{request.user.get_username()}", datetime.now(UTC)
        done = 0
        for event in queryset:
            try:
                corrections.void(
                    customer_id=event.customer_id,
                    source=event.source,
                    event_id=event.event_id,
                    actor=actor,
                    reason=reason,
                    now=now,
                )
            except MeteringError as error:
                self.message_user(request, f"{event.event_id}: {error.detail} ({error.parameter})", messages.ERROR)
            else:
                done += 1
        if done:
            self.message_user(request, f"{done} taken back; the next fold corrects usage.", messages.SUCCESS)

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

    list_display = ("number", "folded_at", "batches", "events", "voids")
    ordering = ("-number",)


@admin.register(Refusal)
class RefusalAdmin(EvidenceAdmin):
    """What was refused, and why."""

    list_display = ("id", "customer_id", "received_at", "verdict", "reason", "pointer", "event_id")
    list_filter = ("verdict", "reason")
    search_fields = ("=event_id", "=customer_id")
    ordering = ("-id",)


@admin.register(Void)
class VoidAdmin(EvidenceAdmin):
    """What was taken back, by whom and why."""

    list_display = ("event_id", "customer_id", "source", "actor", "reason", "voided_at", "fold")
    search_fields = ("=event_id", "=customer_id", "actor")
    ordering = ("-id",)
