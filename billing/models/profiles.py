"""How a customer wants to be billed; a customer without a row is billed as the defaults say."""

from datetime import timedelta

from django.core.validators import MaxValueValidator
from django.db import models

from agents.models import Customer


class Collection(models.TextChoices):
    """How an invoice is paid."""

    HOSTED_PAGE = "hosted_page"
    CARD_ON_FILE = "card_on_file"
    BANK_TRANSFER = "bank_transfer"


class Grouping(models.TextChoices):
    """What an invoice shows sub-totals by."""

    NONE = "none"
    AGENT = "agent"
    PROJECT = "project"


class TaxSource(models.TextChoices):
    """Who works the tax out: the rates kept here, or Stripe Tax when the invoice is finalized there."""

    RATES = "rates"
    STRIPE = "stripe"


class BillingProfile(models.Model):
    """A customer's terms of billing: what may be chosen beside the plan."""

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, primary_key=True, related_name="billing")
    collection = models.CharField(max_length=16, choices=Collection.choices, default=Collection.HOSTED_PAGE)
    payment_days = models.PositiveSmallIntegerField(
        default=14, validators=[MaxValueValidator(180)], help_text="Days from issue until an invoice is due."
    )
    review_window = models.DurationField(
        default=timedelta(0), help_text="How long a draft waits for a person before it is issued."
    )
    purchase_order = models.CharField(max_length=64, blank=True, help_text="Printed on every invoice.")
    grouping = models.CharField(max_length=8, choices=Grouping.choices, default=Grouping.NONE)
    merges = models.BooleanField(default=False, help_text="Drafts of one day become one invoice.")
    tax_source = models.CharField(max_length=8, choices=TaxSource.choices, default=TaxSource.RATES)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(collection__in=Collection.values), name="profile_collection"),
            models.CheckConstraint(condition=models.Q(grouping__in=Grouping.values), name="profile_grouping"),
            models.CheckConstraint(condition=models.Q(tax_source__in=TaxSource.values), name="profile_tax_source"),
            models.CheckConstraint(condition=models.Q(payment_days__lte=180), name="profile_payment_days"),
            models.CheckConstraint(condition=models.Q(review_window__gte=timedelta(0)), name="profile_review_window"),
        ]

    def __str__(self) -> str:
        return f"terms of customer {self.customer_id}"
