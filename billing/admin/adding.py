"""Pages on which rows are added by hand; of what is there, few fields may still change, and nothing is deleted."""

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin


class AddingAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """A list, and a form for a new row; `movable` names the fields that may change later."""

    list_per_page = 50
    show_full_result_count = False
    ordering: tuple[str, ...] = ("-pk",)
    exclude: tuple[str, ...] = ("created_at",)
    movable: tuple[str, ...] = ()

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        """Show what no longer changes."""
        shown = tuple(super().get_readonly_fields(request, obj))
        if obj is None:
            return shown
        names = (field.name for field in obj._meta.fields if field.editable and not field.primary_key)
        return (*shown, *(name for name in names if name not in self.movable and name not in shown))

    @override
    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Offer a form only where a field may change."""
        return bool(self.movable) and super().has_change_permission(request, obj)

    @override
    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes."""
        del request, obj
        return False

    @override
    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        """Say when a new row was made."""
        if not change:
            obj.created_at = datetime.now(UTC)
        super().save_model(request, obj, form, change)
