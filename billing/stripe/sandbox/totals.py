"""What an invoice comes to: its lines, their taxes, the customer's balance and Stripe's smallest charge."""

from dataclasses import dataclass

from billing.stripe.sandbox import currencies, taxes
from billing.stripe.sandbox.objects import Body


@dataclass(frozen=True, slots=True)
class Settlement:
    """How much is to be charged now and what balance the customer is left with."""

    amount_due: int
    ending_balance: int


def settle(*, total: int, balance: int, currency: str) -> Settlement:
    """Apply a customer's balance (positive: owed by the customer) to a total, both in the smallest unit.

    What is left below zero, or above it but too small to charge, stays on the balance and nothing is due.
    """
    due = total + balance
    if due < currencies.find(code=currency).minimum_charge:
        return Settlement(amount_due=0, ending_balance=due)
    return Settlement(amount_due=due, ending_balance=0)


def usable_balance(*, customer: Body, currency: str) -> int:
    """The balance in the currency of the invoice; a balance in another currency is not touched."""
    return int(customer["balance"]) if customer["currency"] in (None, currency) else 0


def with_totals(*, invoice: Body, lines: list[Body], balance: int) -> Body:
    """The draft with its sums: of the lines and their taxes exactly, and of what would be due now."""
    subtotal = sum(line["amount"] for line in lines)
    found = taxes.total_taxes(lines=lines)
    exclusive = sum(tax["amount"] for tax in found if tax["tax_behavior"] == "exclusive")
    inclusive = sum(tax["amount"] for tax in found if tax["tax_behavior"] == "inclusive")
    total = subtotal + exclusive
    due = settle(total=total, balance=balance, currency=invoice["currency"]).amount_due
    return {
        **invoice,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": total,
        "total_excluding_tax": subtotal - inclusive,
        "total_taxes": found,
        "amount_due": due,
        "amount_remaining": due,
        "starting_balance": balance,
    }
