"""What a customer owes or is owed apart from invoices: each movement of the balance is told and kept."""

from billing.stripe.sandbox import events, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.objects import Body, public
from billing.stripe.sandbox.store import Filter


def move(
    *,
    call: Call,
    customer: str,
    amount: int,
    currency: str,
    kind: str,
    invoice: str | None = None,
    credit_note: str | None = None,
) -> str | None:
    """Add to what the customer owes (negative: to what it is owed); the id of the movement, None for none."""
    if amount == 0:
        return None
    before = call.fetch(kind="customer", id=customer)
    after = {**before, "balance": before["balance"] + amount, "currency": before["currency"] or currency}
    call.store.replace(body=after)
    movement = shapes.new(
        kind="customer_balance_transaction",
        created=call.now,
        amount=amount,
        credit_note=credit_note,
        currency=currency,
        customer=customer,
        ending_balance=after["balance"],
        invoice=invoice,
        type=kind,
    )
    call.store.insert(body=movement, now=call.now, parent=customer)
    events.emit_update(call=call, type="customer.updated", before=public(body=before), after=public(body=after))
    return str(movement["id"])


def list_all(*, call: Call, params: Body, customer: str) -> Body:
    """The movements of a customer's balance, newest first."""
    call.fetch(kind="customer", id=customer)
    return pagination.list_objects(
        call=call,
        kind="customer_balance_transaction",
        url=f"/v1/customers/{customer}/balance_transactions",
        params=params,
        filters=[Filter("parent", "eq", customer)],
        show=lambda _, movement: public(body=movement),
    )
