"""Subscriptions, what was agreed, and their billing periods; a parked period can be tried again from here."""

from collections.abc import Iterable
from typing import Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing import agreements, parking
from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import BillingPeriod, Subscription

_HISTORY: Final = (
    '<table class="w-full"><thead><tr><th>No.</th><th>What</th><th>From</th><th>Who</th><th>Why</th><th>Recorded</th>'
    "<th>Before</th><th>After</th></tr></thead><tbody>{}</tbody></table>"
)


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
    readonly_fields = ("history",)
    inlines = (BillingPeriodInline,)

    @admin.display(description="History")
    def history(self, subscription: Subscription) -> SafeString:
        """Show every change: who agreed to what, when and why, what held before and what holds since."""
        rows = (
            (
                step.change.number,
                step.change.get_kind_display(),
                f"{step.change.at:%Y-%m-%d %H:%M:%S} UTC",
                step.change.actor,
                step.change.reason,
                f"{step.change.recorded_at:%Y-%m-%d %H:%M:%S} UTC",
                _sentences(step.gone),
                _sentences(step.new),
            )
            for step in agreements.steps(subscription=subscription)
        )
        return format_html(_HISTORY, format_html_join("", f"<tr>{'<td>{}</td>' * 8}</tr>", rows))


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


def _sentences(texts: Iterable[str]) -> SafeString:
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts))
