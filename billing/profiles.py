"""How a customer wants to be billed."""

from agents.models import Customer
from billing.models import BillingProfile


def of(*, customer: Customer) -> BillingProfile:
    """Return a customer's terms of billing: its row, or the defaults, which are not stored.

    Read once for each customer object; none where the object was read together with them.
    """
    try:
        return customer.billing
    except BillingProfile.DoesNotExist:
        return BillingProfile(customer_id=customer.pk)
