"""Credit of customers: what was granted, by which rule it comes again, and what invoices drew of it."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.models import Customer
from billing.models.invoices import Invoice

DEFAULT_PRIORITY = 100


class GrantKind(models.TextChoices):
    """Promotional credit lowers the charges before tax; prepaid credit pays what is due after tax."""

    PROMOTIONAL = "promotional"
    PREPAID = "prepaid"


class Funding(models.TextChoices):
    """The account that a grant was booked from, and to which it goes back when it is voided; see ledger.Account.

    `issued`: no money stands behind it; `cash`: money came for it; `receivable`: the customer had paid too much;
    `revenue`: something invoiced before is credited.
    """

    ISSUED = "issued"
    CASH = "cash"
    RECEIVABLE = "receivable"
    REVENUE = "revenue"


class RecurringGrant(models.Model):
    """A rule that gives promotional credit each month from `starts_at` on.

    Each grant lasts for `lasts_months`, or for ever where that is 0. Months are counted from `starts_at` in the
    customer's time zone, as billing periods are.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="recurring_grants")
    name = models.CharField(max_length=120, help_text="As printed on the invoice.")
    currency = models.CharField(max_length=16, help_text="ISO 4217, or the lower-case name of a virtual currency.")
    amount = models.DecimalField(max_digits=32, decimal_places=12)
    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY)
    cards = ArrayField(models.SlugField(max_length=64), default=list, blank=True)
    lasts_months = models.PositiveSmallIntegerField(default=1)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="No grant begins at or after it.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="recurring_grant_positive"),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gte=models.F("starts_at")),
                name="recurring_grant_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.amount.normalize():f} {self.currency} a month for customer {self.customer_id}"


class CreditGrant(models.Model):
    """Credit that a customer was given; what is left of it is the sum of its ledger entries, never a column.

    It serves billing periods that meet `[effective_at, expires_at)`. `key` names its cause, so that nothing is granted
    twice. With `cards`, promotional credit is for these rate cards only.
    """

    key = models.CharField(max_length=120, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="credit_grants")
    kind = models.CharField(max_length=12, choices=GrantKind.choices)
    name = models.CharField(max_length=120, help_text="As printed on the invoice.")
    source = models.TextField(blank=True, help_text="Why, and by whom.")
    funding = models.CharField(max_length=12, choices=Funding.choices)
    currency = models.CharField(max_length=16, help_text="ISO 4217, or the lower-case name of a virtual currency.")
    amount = models.DecimalField(max_digits=32, decimal_places=12)
    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY, help_text="The lowest is drawn first.")
    cards = ArrayField(
        models.SlugField(max_length=64), default=list, blank=True, help_text="Rate card keys; none: all."
    )
    rule = models.ForeignKey(RecurringGrant, on_delete=models.PROTECT, related_name="grants", null=True, blank=True)
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True, help_text="When the rest was booked away.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=GrantKind.values), name="credit_grant_kind"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="credit_grant_positive"),
            models.CheckConstraint(
                condition=models.Q(currency__regex=r"^([A-Z]{3}|[a-z][a-z0-9_-]{1,15})$"), name="credit_grant_currency"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="promotional", funding="issued")
                | models.Q(kind="prepaid", funding__in=["cash", "receivable", "revenue"], currency__regex="^[A-Z]")
                | models.Q(kind="prepaid", funding="issued", currency__regex="^[a-z]"),
                name="credit_grant_funding",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="promotional") | models.Q(cards=[]) | models.Q(currency__regex="^[a-z]"),
                name="credit_grant_pays_the_whole_invoice",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=models.F("effective_at")),
                name="credit_grant_bounds",
            ),
            models.CheckConstraint(
                condition=models.Q(voided_at__isnull=True) | models.Q(expired_at__isnull=True),
                name="credit_grant_ends_once",
            ),
            models.UniqueConstraint(fields=["rule", "effective_at"], name="credit_grant_once_a_period"),
        ]
        indexes = [
            models.Index(fields=["customer", "currency"], name="credit_grant_of_customer"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expired_at__isnull=True, voided_at__isnull=True, expires_at__isnull=False),
                name="credit_grant_expiring",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="granted_once",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func="""
                    -- An expired grant is live again where a void invoice gives back what it drew.
                    IF TG_OP = 'UPDATE' AND OLD.voided_at IS NULL
                       AND (OLD.expired_at IS NULL OR (NEW.expired_at IS NULL AND NEW.voided_at IS NULL))
                       AND to_jsonb(NEW) - ARRAY['voided_at', 'expired_at']
                           = to_jsonb(OLD) - ARRAY['voided_at', 'expired_at'] THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'credit grant % cannot change', OLD.key
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.amount.normalize():f} {self.currency} ({self.key})"


class CreditDrawdown(models.Model):
    """What an invoice took from a grant (or gave back: negative); `booking` is the key of its ledger transaction."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="drawdowns")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="drawdowns")
    amount = models.DecimalField(max_digits=32, decimal_places=12)
    booking = models.CharField(max_length=120, unique=True)
    drawn_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~models.Q(amount=0), name="credit_drawdown_not_zero")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} of grant {self.grant_id} for invoice {self.invoice_id}"
