"""Closing as operators see it: how far each run is, what people did to periods, what came late."""

from django.contrib import admin

from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import CloseChunk, CloseRun, Intervention, LateDifference


class CloseChunkInline(ReadingInline):
    """The chunks of a run; one without a time is waiting or being done."""

    model = CloseChunk
    fields = ("number", "sent_at", "done_at", "closed", "parked", "waiting")
    ordering = ("number",)


@admin.register(CloseRun)
class CloseRunAdmin(ReadingAdmin):
    """Each search for what is due, and what became of it."""

    list_display = ("as_of", "started_at", "finished_at", "found", "closed", "parked", "waiting")
    inlines = (CloseChunkInline,)


@admin.register(Intervention)
class InterventionAdmin(ReadingAdmin):
    """Who let what go on, and why."""

    list_display = ("period", "kind", "actor", "reason", "detail", "at")
    list_filter = ("kind",)
    list_select_related = ("period",)


@admin.register(LateDifference)
class LateDifferenceAdmin(ReadingAdmin):
    """What late usage made of invoiced periods, and on which invoice or credit note it is."""

    list_display = ("period", "quantity", "amount", "fold", "invoice", "note_of", "released_at", "settled_at")
    list_select_related = ("period", "invoice", "note_of")
