"""How a customer wants to be billed."""

from agents.models import Customer
from billing.models import BillingProfile


def of(*, customer: Customer) -> BillingProfile:
    """Return a customer's terms of billing: its row, or the defaults, which are not stored."""
    return BillingProfile.objects.filter(customer=customer).first() or BillingProfile(customer=customer)
