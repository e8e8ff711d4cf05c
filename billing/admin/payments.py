"""Collection: what was asked of Stripe, what Stripe said, what was paid, what is contested, what differs."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.admin.reading import ReadingAdmin
from billing.models import Dispute, Finding, OutboxMessage, Payment, PaymentAttempt, WebhookEvent
from billing.stripe import outbox
from billing.stripe.errors import OutboxStateError


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadingAdmin):
    """The mutations asked of Stripe, and how far they are."""

    list_display = ("key", "operation", "customer", "state", "attempts", "not_before", "finished_at", "error")
    list_filter = ("state", "operation")
    list_select_related = ("customer",)
    search_fields = ("key", "customer__key", "invoice__number")
    actions = ("ask_again",)

    @admin.action(description="Ask again under a new key", permissions=["retry"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        """Ask Stripe again for what failed, because what was wrong has been put right; looked for there first."""
        actor, now = request.user.get_username(), timezone.now()
        for message in queryset.order_by("pk"):
            try:
                made = outbox.retry(key=message.key, reason="asked for in the admin", actor=actor, now=now)
            except OutboxStateError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"{made.key} is {made.state}.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Say whether somebody may ask Stripe again: whoever may change messages, though nobody edits one."""
        return request.user.has_perm("billing.change_outboxmessage")


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


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadingAdmin):
    """Times that a bank was asked, and what it said."""

    list_display = ("invoice", "outcome", "code", "attempted_at")
    list_filter = ("outcome",)
    list_select_related = ("invoice",)
    search_fields = ("key", "invoice__number")


@admin.register(Dispute)
class DisputeAdmin(ReadingAdmin):
    """Payments that their payers contest."""

    list_display = ("stripe_id", "customer", "invoice", "amount", "currency", "status", "evidence_due_at", "closed_at")
    list_filter = ("status",)
    list_select_related = ("customer", "invoice")
    search_fields = ("stripe_id", "payment_id", "invoice__number")


@admin.register(Finding)
class FindingAdmin(ReadingAdmin):
    """What differs between our books, Stripe's and the devices', and what may be done about it."""

    list_display = ("kind", "subject", "severity", "at_risk", "currency", "detail", "first_seen_at", "resolved_at")
    list_filter = ("severity", "kind", ("resolved_at", admin.EmptyFieldListFilter))
    search_fields = ("subject", "detail", "customer__key", "invoice__number")
