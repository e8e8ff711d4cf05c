"""Customers, their agents, keys and seats."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from agents.admin.reading import ReadOnly
from agents.models import Agent, ApiKey, Customer, Member, Seat


class MemberInline(ReadOnly, TabularInline):  # type: ignore[misc] # unfold ships no types
    """Members on the customer's page."""

    model = Member


@admin.register(Customer)
class CustomerAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Customers."""

    list_display = ("name", "key", "currency", "time_zone", "country", "tax_id", "tax_exempt", "created_at")
    search_fields = ("name", "key", "email")
    inlines = (MemberInline,)


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
