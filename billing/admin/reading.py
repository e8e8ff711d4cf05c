"""Pages that show rows and offer no way to change them."""

from typing import Any

from django.db import models
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin, TabularInline


class _Refusal:
    """Refuses every change by hand; the database would refuse most of them, too."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody adds by hand."""
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody changes by hand."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes by hand."""
        del request, obj
        return False


class ReadingAdmin(_Refusal, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """A list and a page for each row; the newest first."""

    list_per_page = 50
    show_full_result_count = False
    ordering: tuple[str, ...] = ("-pk",)

    @override
    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Follow the foreign keys that the list shows, so that a page of rows is one query."""
        return super().get_queryset(request).select_related(*(self.list_select_related or ()))  # type: ignore[no-any-return]  # unfold ships no types


class ReadingInline(_Refusal, TabularInline):  # type: ignore[misc]  # unfold ships no types
    """The rows that belong to the one shown."""

    extra = 0
    show_change_link = False
