"""Those who act, readable in the admin; changes go through the package's own functions."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from agents.models import Agent, ApiKey, Customer, Device, Member, Seat


class ReadOnly:
    """Mixin: seen, not edited."""

    def has_add_permission(self, request: HttpRequest, *_: object) -> bool:
        """Never."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, *_: object) -> bool:
        """Never."""
        del request
        return False

    def has_delete_permission(self, request: HttpRequest, *_: object) -> bool:
        """Never."""
        del request
        return False


class MemberInline(ReadOnly, TabularInline):  # type: ignore[misc] # unfold ships no types
    """Members on the customer's page."""

    model = Member


@admin.register(Customer)
class CustomerAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Customers."""

    list_display = ("name", "key", "currency", "time_zone", "country", "tax_id", "tax_exempt", "created_at")
    search_fields = ("name", "key", "email")
    inlines = (MemberInline,)


@admin.register(Device)
class DeviceAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Devices and how far their chains were received."""

    list_display = ("key", "customer", "epoch", "last_sequence", "last_seen_at", "revoked_at")
    list_select_related = ("customer",)
    search_fields = ("key", "customer__key")


@admin.register(Agent)
class AgentAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Agents."""

    list_display = ("name", "customer", "first_seen_at")
    list_select_related = ("customer",)
    search_fields = ("key", "customer__key")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Keys, by their hint; the secret is stored nowhere."""

    list_display = ("hint", "name", "customer", "environment", "created_at", "expires_at", "revoked_at")
    list_select_related = ("customer",)
    exclude = ("digest",)


@admin.register(Seat)
class SeatAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Seats."""

    list_display = ("key", "customer", "holder", "assigned_at", "released_at")
    list_select_related = ("customer",)
