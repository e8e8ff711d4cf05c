"""Coupons: rebates that customers redeem, and the billing periods that each redemption has served."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.models import Customer
from billing.models.subscriptions import BillingPeriod


class Duration(models.TextChoices):
    """For how many billing periods a redeemed coupon lasts: one that it lowers, so many that close, or all."""

    ONCE = "once"
    PERIODS = "periods"
    FOREVER = "forever"


class Coupon(models.Model):
    """A rebate of `percent`, or of a fixed `amount`, on the charges of a period; with `cards`, on these alone.

    It may be redeemed in `[redeemable_from, redeemable_until)`, once by a customer and `max_redemptions` times in all.
    """

    code = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120, help_text="As printed on the invoice.")
    percent = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    amount = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, help_text="Of the amount.")
    duration = models.CharField(max_length=8, choices=Duration.choices)
    periods = models.PositiveSmallIntegerField(null=True, blank=True)
    cards = ArrayField(
        models.SlugField(max_length=64), default=list, blank=True, help_text="Rate card keys; none: all."
    )
    redeemable_from = models.DateTimeField()
    redeemable_until = models.DateTimeField(null=True, blank=True)
    max_redemptions = models.PositiveIntegerField(null=True, blank=True)
    redeemed = models.PositiveIntegerField(default=0, help_text="How often; counted by the redemption itself.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    percent__isnull=False, percent__gt=0, percent__lte=100, amount__isnull=True, currency=""
                )
                | (models.Q(percent__isnull=True, amount__isnull=False, amount__gt=0) & ~models.Q(currency="")),
                name="coupon_percent_or_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(duration="periods", periods__isnull=False, periods__gt=0)
                | models.Q(duration__in=["once", "forever"], periods__isnull=True),
                name="coupon_duration",
            ),
            models.CheckConstraint(
                condition=models.Q(redeemable_until__isnull=True)
                | models.Q(redeemable_until__gt=models.F("redeemable_from")),
                name="coupon_window",
            ),
            models.CheckConstraint(
                condition=models.Q(max_redemptions__isnull=True) | models.Q(redeemed__lte=models.F("max_redemptions")),
                name="coupon_not_redeemed_too_often",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_when_redeemed",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(old__redeemed__gt=0),
                func="""
                    IF TG_OP = 'UPDATE'
                       AND to_jsonb(NEW) - ARRAY['redeemed', 'redeemable_until', 'max_redemptions']
                           = to_jsonb(OLD) - ARRAY['redeemed', 'redeemable_until', 'max_redemptions'] THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'coupon % was redeemed, what it gives cannot change', OLD.code
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Redemption(models.Model):
    """A coupon at one customer, for periods that end after `redeemed_at` and begin before `ended_at`."""

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="redemptions")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="redemptions")
    redeemed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Taken back: no period from then on.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["coupon", "customer"], name="redemption_once_a_customer")]

    def __str__(self) -> str:
        return f"coupon {self.coupon_id} at customer {self.customer_id}"


class RedemptionUse(models.Model):
    """A closed billing period that a redemption served, once by constraint; `number` counts them from 1.

    Given back where the period's invoice was voided: then it counts no more.
    """

    redemption = models.ForeignKey(Redemption, on_delete=models.PROTECT, related_name="uses")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="redemption_uses")
    number = models.PositiveIntegerField()
    used_at = models.DateTimeField()
    given_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["redemption", "period"],
                condition=models.Q(given_back_at__isnull=True),
                name="redemption_used_once_a_period",
            ),
            models.UniqueConstraint(
                fields=["redemption", "number"],
                condition=models.Q(given_back_at__isnull=True),
                name="redemption_use_numbered_once",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func="""
                    IF TG_OP = 'UPDATE' AND OLD.given_back_at IS NULL
                       AND to_jsonb(NEW) - 'given_back_at' = to_jsonb(OLD) - 'given_back_at' THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'use % of redemption % cannot change', OLD.number, OLD.redemption_id
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return f"redemption {self.redemption_id} in period {self.period_id}"
