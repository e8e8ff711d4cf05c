"""Meters: defined by a form that names what is wrong and shows, while one types, which stored events would count."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from typing_extensions import override
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from metering import backfill, definitions, meters
from metering.errors import InvalidMeterError, MeteringError
from metering.models import Meter, Statistic
from metering.preview import preview
from metering.rules import Rule


class MeterForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The definition of a meter; `rule` is what it comes to, once it is valid."""

    rule: Rule | None = None
    dimensions = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="The data fields that usage may be grouped and filtered by, one a line.",
    )
    filters = forms.JSONField(
        required=False,
        initial=list,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text='Which events count: [{"field": "outcome", "operator": "in", "values": ["usable"]}]; or not_in.',
    )
    window_seconds = forms.IntegerField(
        required=False, widget=UnfoldAdminIntegerFieldWidget, help_text="Of a peak: the width of its fixed windows."
    )
    statistic = forms.ChoiceField(
        required=False,
        choices=[("", "---------"), *Statistic.choices],
        widget=UnfoldAdminSelectWidget,
        help_text="Of a peak: the highest window, or the 95th percentile of all, empty ones included.",
    )

    class Meta:
        model = Meter
        fields = definitions.FIELDS

    def clean_dimensions(self) -> list[str]:
        """Return the names, without blank lines."""
        return [line.strip() for line in self.cleaned_data["dimensions"].splitlines() if line.strip()]

    @override
    def clean(self) -> dict[str, Any]:
        """Read the fields as a definition; each fault goes to its field."""
        super().clean()
        written = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        if "scale" in written:
            written["scale"] = f"{written['scale']:f}"
        try:
            self.rule = definitions.rule_of(definition=written)
        except InvalidMeterError as error:
            for name, detail in error.faults:
                if name not in self.errors:
                    self.add_error(name if name in self.fields else None, detail)
            return self.cleaned_data
        applied = {"window_seconds": self.rule.window_seconds, "statistic": self.rule.statistic}
        return self.cleaned_data | applied | {"filters": written.get("filters", [])}

    def _post_clean(self) -> None:
        """Judge the row by its table's rules only where the definition is sound: one fault, one message."""
        if self.rule is not None and not self.errors:
            super()._post_clean()  # type: ignore[misc]  # Django's own hook, which its stubs leave out


@admin.register(Meter)
class MeterAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """The meters. One can be added and archived; a definition never changes."""

    form = MeterForm
    list_display = ("key", "name", "unit", "event_type", "aggregation", "dimensions", "archived_at", "filled")
    ordering = ("key",)
    actions = ("archive",)
    change_form_after_template = "metering/meter_form.html"

    @override
    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody: a new rule is a new meter."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody: what a meter counted stays."""
        return False

    def has_archive_permission(self, request: HttpRequest) -> bool:
        """Whether this person may end meters."""
        return request.user.has_perm("metering.change_meter")

    @admin.display(description="in windows")
    def filled(self, meter: Meter) -> str:
        """Say how much of what it counts is in its windows."""
        found = backfill.progress(meter=meter.key)
        return "all" if found.is_complete else f"{found.done} of {found.events} events"

    @override
    def get_urls(self) -> list[URLPattern]:
        """Add the address of the example."""
        shown = self.admin_site.admin_view(self.show_preview)
        return [path("preview/", shown, name="metering_meter_preview"), *super().get_urls()]

    def show_preview(self, request: HttpRequest) -> HttpResponse:
        """Answer with what the meter as written so far would make of the newest stored events."""
        if not self.has_add_permission(request):
            return HttpResponse(status=403)
        form = MeterForm(request.GET)
        found = preview(rule=form.rule) if form.is_valid() and form.rule is not None else None
        return TemplateResponse(request, "metering/meter_preview.html", {"form": form, "preview": found})

    @override
    def save_model(self, request: HttpRequest, obj: Meter, form: MeterForm, change: bool) -> None:
        """Define it by the same function as the API."""
        if form.rule is not None:
            stored = Meter.objects.get(key=meters.define(rule=form.rule).key)
            obj.pk, obj.created_at = stored.pk, stored.created_at
            obj._state.adding = False

    @admin.action(description="Archive: counts nothing new", permissions=["archive"])
    def archive(self, request: HttpRequest, queryset: models.QuerySet[Meter]) -> None:
        """End the chosen meters; what they counted can be read for ever."""
        for meter in queryset:
            try:
                meters.archive(key=meter.key, now=datetime.now(UTC))
            except MeteringError as error:
                self.message_user(request, error.detail, messages.ERROR)
            else:
                self.message_user(request, f"{meter.key} counts nothing new.", messages.SUCCESS)
