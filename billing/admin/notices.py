"""What customers are told, by mail and at their endpoints, and who is suspended."""

from datetime import UTC, datetime

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.dunning import suspensions
from billing.endpoints import delivery
from billing.models import Delivery, DeliveryAttempt, Endpoint, Mail, Suspension


class DeliveryAttemptInline(ReadingInline):
    """Every attempt, with what was answered."""

    model = DeliveryAttempt
    fields = ("number", "sent_at", "milliseconds", "status", "answer", "error")
    ordering = ("number",)


@admin.register(Delivery)
class DeliveryAdmin(ReadingAdmin):
    """What was to be told to whom, and what came of it."""

    list_display = ("announcement", "endpoint", "state", "attempts", "not_before", "finished_at")
    list_filter = ("state", "announcement__type")
    list_select_related = ("announcement", "endpoint")
    search_fields = ("announcement__message_id", "announcement__key", "endpoint__url")
    inlines = (DeliveryAttemptInline,)
    actions = ("send_again",)

    @admin.action(description="Send again")
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Send the chosen messages once more, under the same ids."""
        rows = list(queryset.select_related("endpoint", "announcement"))
        for row in rows:
            message_id = row.announcement.message_id
            delivery.replay(endpoint=row.endpoint, message_id=message_id, now=datetime.now(UTC))
        messages.success(request, f"{len(rows)} will be sent again.")


@admin.register(Endpoint)
class EndpointAdmin(ReadingAdmin):
    """Where customers want to be told; secrets are not shown."""

    list_display = ("url", "customer", "failing_since", "disabled_at", "disabled_reason", "removed_at")
    list_select_related = ("customer",)
    search_fields = ("url", "customer__key")
    exclude = ("secret", "previous_secret")


@admin.register(Mail)
class MailAdmin(ReadingAdmin):
    """Mails to customers."""

    list_display = ("subject", "customer", "recipient", "state", "attempts", "created_at", "sent_at")
    list_filter = ("state",)
    list_select_related = ("customer",)
    search_fields = ("key", "recipient", "customer__key")


@admin.register(Suspension)
class SuspensionAdmin(ReadingAdmin):
    """Who may not spend, since when, and why; a person may end it."""

    list_display = ("customer", "since", "reason", "lifted_at", "lifted_reason")
    list_filter = ("lifted_at",)
    list_select_related = ("customer",)
    search_fields = ("customer__key", "customer__name")
    actions = ("lift",)

    @admin.action(description="Lift")
    def lift(self, request: HttpRequest, queryset: QuerySet[Suspension]) -> None:
        """End the chosen suspensions."""
        reason, now = f"Lifted by {request.user}.", datetime.now(UTC)
        rows = [row for row in queryset.select_related("customer") if row.lifted_at is None]
        lifted = sum(suspensions.lift(customer=row.customer, reason=reason, now=now) for row in rows)
        messages.success(request, f"{lifted} suspensions were lifted.")
