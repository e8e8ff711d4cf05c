"""Taxes and coupons: rates with the time they hold, who is taxed where, and the rebates that may be redeemed."""

from django.contrib import admin

from billing.admin.adding import AddingAdmin
from billing.admin.forms import CouponForm
from billing.admin.reading import ReadingInline
from billing.models import Coupon, Redemption, TaxAssignment, TaxRate


@admin.register(TaxRate)
class TaxRateAdmin(AddingAdmin):
    """Rates; a new percentage is a new row, and the one before ends."""

    list_display = ("jurisdiction", "category", "name", "percent", "starts_at", "ends_at")
    list_filter = ("jurisdiction", "category")
    ordering = ("jurisdiction", "category", "name", "starts_at")
    movable = ("ends_at",)


@admin.register(TaxAssignment)
class TaxAssignmentAdmin(AddingAdmin):
    """Which customer is taxed where."""

    list_display = ("customer", "jurisdiction", "starts_at", "ends_at")
    list_filter = ("jurisdiction",)
    list_select_related = ("customer",)
    search_fields = ("customer__key", "customer__name")
    movable = ("ends_at",)


class RedemptionInline(ReadingInline):
    """Who redeemed a coupon."""

    model = Redemption
    fields = ("customer", "redeemed_at", "ended_at")
    ordering = ("pk",)


@admin.register(Coupon)
class CouponAdmin(AddingAdmin):
    """Coupons; what one gives is fixed, how long and how often it may be redeemed is not."""

    form = CouponForm
    list_display = ("code", "name", "percent", "amount", "currency", "duration", "redeemed", "max_redemptions")
    search_fields = ("code", "name")
    exclude = ("created_at", "redeemed")
    movable = ("redeemable_until", "max_redemptions")
    inlines = (RedemptionInline,)
