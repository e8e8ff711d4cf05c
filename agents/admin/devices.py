"""Devices, how far their chains were received, and what is wrong with them."""

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from agents import devices, ledger
from agents.admin.reading import ReadOnly, Resolving
from agents.models import Device, DeviceFinding
from metering.admin.evidence import ReasonForm


class FindingInline(ReadOnly, TabularInline):  # type: ignore[misc] # unfold ships no types
    """What was found wrong, on the device's page."""

    model = DeviceFinding
    fields = ("kind", "epoch", "first", "last", "seen_at", "detail", "resolved_at", "resolved_by", "resolution")
    ordering = ("-seen_at",)
    extra = 0


@admin.register(Device)
class DeviceAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Devices and how far their chains were received."""

    list_display = ("key", "customer", "epoch", "last_sequence", "complete", "last_seen_at", "quarantined_at")
    list_filter = ("quarantined_at", "revoked_at")
    list_select_related = ("customer",)
    search_fields = ("key", "customer__key")
    ordering = ("customer", "key")
    inlines = (FindingInline,)

    @admin.display(description="complete up to")
    def complete(self, device: Device) -> datetime | None:
        """Show up to when nothing lacks or is in doubt."""
        return ledger.complete_up_to(device=device)


@admin.register(DeviceFinding)
class DeviceFindingAdmin(Resolving, ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """What waits for a person; the rest can be found by the filter."""

    list_display = ("device", "kind", "epoch", "first", "last", "seen_at", "detail", "resolved_at", "resolved_by")
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "kind")
    list_select_related = ("device",)
    search_fields = ("device__key", "device__customer__key")
    ordering = ("-seen_at", "-pk")
    readonly_fields = ("usage",)
    action_form = ReasonForm
    actions = ("resolve", "re_enrol")

    @admin.display(description="batches in doubt")
    def usage(self, finding: DeviceFinding) -> str:
        """Name the batches whose usage it casts doubt on."""
        return (
            ", ".join(f"{one.batch_id} ({one.first} to {one.last})" for one in ledger.touched(finding=finding))
            or "none"
        )

    @admin.action(description="Resolve: the chain we know goes on", permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[DeviceFinding]) -> None:
        """Close the chosen findings; a device without another fork may send again."""
        self.close(request, queryset, _resolve)

    @admin.action(description="Re-enrol the device: a new chain begins", permissions=["resolve"])
    def re_enrol(self, request: HttpRequest, queryset: QuerySet[DeviceFinding]) -> None:
        """Begin a new epoch of the devices of the chosen findings, once each."""
        self.close(request, Device.objects.filter(findings__in=queryset).distinct(), _re_enrol)


def _resolve(finding: DeviceFinding, actor: str, reason: str, now: datetime) -> None:
    ledger.resolve(finding=finding, actor=actor, reason=reason, now=now)


def _re_enrol(device: Device, actor: str, reason: str, now: datetime) -> str:
    epoch = devices.re_enrol(device=device, actor=actor, reason=reason, now=now)
    return f"is in epoch {epoch} now; the device must begin it, too"
