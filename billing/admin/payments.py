"""Collection: what was asked of Stripe, what Stripe said, what was paid."""

from django.contrib import admin

from billing.admin.reading import ReadingAdmin
from billing.models import OutboxMessage, Payment, WebhookEvent


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadingAdmin):
    """The mutations asked of Stripe, and how far they are."""

    list_display = ("key", "operation", "customer", "state", "attempts", "not_before", "finished_at", "error")
    list_filter = ("state", "operation")
    list_select_related = ("customer",)
    search_fields = ("key", "customer__key", "invoice__number")


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadingAdmin):
    """The verified events of Stripe, and what became of them."""

    list_display = ("stripe_id", "type", "state", "attempts", "received_at", "applied_at", "error")
    list_filter = ("state", "type")
    search_fields = ("stripe_id",)


@admin.register(Payment)
class PaymentAdmin(ReadingAdmin):
    """Money that arrived."""

    list_display = ("stripe_id", "invoice", "amount", "currency", "paid_at")
    list_select_related = ("invoice",)
    search_fields = ("stripe_id", "invoice__number")
