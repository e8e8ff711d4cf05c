"""Stripe's own page where a customer keeps its payment methods: opened for each click, never kept."""

from agents.models import Customer
from billing.stripe import client as stripe_client
from billing.stripe import mirror, reversals


def open_session(*, customer: Customer, return_url: str) -> str:
    """Return the address of a fresh session, which lives for minutes.

    Raises CounterpartMissingError for a customer that Stripe does not know yet, CustomerGoneError, ModeError, and
    CallError.
    """
    stripe_id = mirror.customer_id_of(customer)
    return reversals.open_portal(stripe_client.connect(), customer=stripe_id, return_url=return_url)
