"""Subscriptions and their billing periods; a parked period can be tried again from here."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from billing import parking
from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import BillingPeriod, Subscription


class BillingPeriodInline(ReadingInline):
    """The periods of a subscription."""

    model = BillingPeriod
    fields = ("starts_at", "ends_at", "status", "closed_at", "parked_reason")
    ordering = ("starts_at",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadingAdmin):
    """Who is on which plan version, since when."""

    list_display = ("customer", "version", "starts_at", "ends_at", "anchor_at")
    list_select_related = ("customer", "version")
    search_fields = ("customer__key", "customer__name")
    inlines = (BillingPeriodInline,)


@admin.register(BillingPeriod)
class BillingPeriodAdmin(ReadingAdmin):
    """Where each period stands on its way to an invoice."""

    list_display = ("subscription", "starts_at", "ends_at", "status", "closed_at", "parked_reason")
    list_filter = ("status",)
    list_select_related = ("subscription",)
    search_fields = ("subscription__customer__key", "subscription__customer__name")
    actions = ("try_again",)

    @admin.action(description="Try again to close", permissions=["retry"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[BillingPeriod]) -> None:
        """Open parked periods, so that the next run closes them."""
        opened = sum(parking.retry(period_id=period.pk) for period in chosen)
        left = len(chosen) - opened
        messages.info(request, f"{opened} periods will be closed by the next run; {left} were not parked.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether the user may act on periods at all."""
        return request.user.has_perm("billing.change_billingperiod")
