"""Whatever is done to invoices in whatever order: sums hold, balances are conserved, and states only move on."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.stripe.sandbox import collection, customers, invoices
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import ApiError
from billing.stripe.sandbox.store import Filter, Store

ONWARD = {
    "draft": {"draft", "open", "paid"},
    "open": {"open", "paid", "void", "uncollectible"},
    "uncollectible": {"uncollectible", "paid", "void"},
    "paid": {"paid"},
    "void": {"void"},
}
CARDS = st.sampled_from(["pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"])
STEPS = st.one_of(
    st.just(("create",)),
    st.tuples(st.just("add"), st.integers(0, 3), st.lists(st.integers(-400, 900), min_size=1, max_size=4)),
    st.tuples(st.sampled_from(["finalize", "void", "mark_uncollectible"]), st.integers(0, 3)),
    st.tuples(st.just("pay"), st.integers(0, 3), CARDS),
)


class World:
    """One customer and up to four invoices, without HTTP."""

    def __init__(self):
        store = Store(path=Path(":memory:"))
        self.call = Call(store=store, now=1_800_000_000, base_url="http://127.0.0.1", delivers=True)
        self.customer = customers.create(call=self.call, params={"name": "Acme"})["id"]
        self.ids: list[str] = []

    def take(self, step):
        match step:
            case ("create",):
                made = invoices.create(call=self.call, params={"customer": self.customer, "currency": "usd"})
                self.ids = [*self.ids[-3:], made["id"]]
            case ("add", which, amounts):
                lines = [{"amount": amount} for amount in amounts]
                invoices.add_lines(call=self.call, params={"lines": lines}, invoice=self.pick(which))
            case ("pay", which, card):
                collection.pay(call=self.call, params={"payment_method": card}, invoice=self.pick(which))
            case (verb, which):
                getattr(collection, verb)(call=self.call, params={}, invoice=self.pick(which))

    def pick(self, which):
        return self.ids[which] if which < len(self.ids) else "in_nowhere"

    def statuses(self):
        return {invoice["id"]: invoice["status"] for invoice in self.call.store.select(kind="invoice")}


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_sums_hold_balances_are_conserved_and_states_only_move_on(steps):
    world = World()
    store = world.call.store
    for step in steps:
        before = world.statuses()
        with store.transaction():
            try:
                with store.savepoint(keeps=lambda error: getattr(error, "keeps_changes", False)):
                    world.take(step)
            except ApiError:
                pass
        assert all(world.statuses()[id_] in ONWARD[status] for id_, status in before.items())
        check(world)
    store.close()


def check(world):
    store = world.call.store
    everything = store.select(kind="invoice")
    for invoice in everything:
        check_invoice(world.call, invoice)
    applied = [one for one in everything if one["ending_balance"] is not None and one["status"] != "void"]
    moved = sum(one["ending_balance"] - one["starting_balance"] for one in applied)
    customer = store.find(kind="customer", id=world.customer)
    assert customer["balance"] == moved
    numbers = [one["number"] for one in everything if one["number"]]
    assert len(numbers) == len(set(numbers)) == customer["next_invoice_sequence"] - 1


def check_invoice(call, invoice):
    amounts = [line["amount"] for line in invoices.lines_of(call=call, invoice=invoice["id"])]
    assert invoice["total"] == invoice["subtotal"] == sum(amounts)
    if invoice["ending_balance"] is not None:
        assert invoice["total"] + invoice["starting_balance"] == invoice["amount_due"] + invoice["ending_balance"]
    paid = call.store.select(kind="invoice_payment", filters=[Filter("parent", "eq", invoice["id"])])
    if invoice["status"] == "paid":
        assert invoice["amount_paid"] == invoice["amount_due"] == sum(one["amount_paid"] for one in paid)
        assert invoice["amount_remaining"] == 0
    else:
        assert invoice["amount_paid"] == 0
        assert not [one for one in paid if one["status"] == "paid"]
