"""Customers and the people who act for them."""

from django.conf import settings
from django.db import models


class TaxExempt(models.TextChoices):
    """Whether a customer's invoices carry tax; the words are Stripe's."""

    NONE = "none"
    EXEMPT = "exempt"
    REVERSE = "reverse"


class Customer(models.Model):
    """A party that contracts and pays; every usage event, device, key and invoice belongs to one."""

    key = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    email = models.EmailField(help_text="Where invoices are sent.")
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, help_text="ISO 3166-1 alpha-2.")
    currency = models.CharField(max_length=3, help_text="ISO 4217; every invoice of this customer is in it.")
    time_zone = models.CharField(max_length=64, default="UTC", help_text="IANA zone in which billing periods are cut.")
    tax_id = models.CharField(
        max_length=32, blank=True, help_text="Such as a VAT number; printed, and needed to reverse the charge."
    )
    tax_exempt = models.CharField(
        max_length=8,
        choices=TaxExempt.choices,
        default=TaxExempt.NONE,
        help_text="exempt: no tax is due; reverse: the customer owes it to its own authority.",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(tax_exempt__in=TaxExempt.values), name="customer_tax_exempt"),
            models.CheckConstraint(
                condition=~models.Q(tax_exempt="reverse") | ~models.Q(tax_id=""), name="customer_reverse_needs_tax_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"


class Role(models.TextChoices):
    """What a member may do in the portal."""

    OWNER = "owner"
    BILLING = "billing"
    DEVELOPER = "developer"
    READER = "reader"


class Member(models.Model):
    """One user's role at one customer; a user may belong to several."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="members")
    role = models.CharField(max_length=16, choices=Role.choices)
    joined_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "customer"], name="member_once_a_customer"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="member_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.customer_id}: {self.role}"
