"""What a credit note takes back: its lines and taxes, how much may still be credited, and the refunds it names."""

from dataclasses import dataclass, field
from decimal import Decimal

from billing.stripe.sandbox import currencies, lines, refunds, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata
from billing.stripe.sandbox.store import Filter


@dataclass(frozen=True, slots=True)
class Drawn:
    """The lines of a credit note with their sums; `total` is `subtotal` and the exclusive taxes on it."""

    subtotal: int
    total: int
    lines: list[Body] = field(default_factory=list)
    taxes: list[Body] = field(default_factory=list)


def draw(*, call: Call, invoice: Body, params: Body) -> Drawn:
    """Read the amount and the lines that were sent. Raises InvalidRequestError where they do not fit each other."""
    if "amount" not in params and "lines" not in params:
        message = "You must specify at least one of amount, lines or shipping_cost."
        raise InvalidParameterError(message, code="parameter_missing", param="amount")
    if "lines" not in params:
        amount = params["amount"]
        currencies.require_step(amount=amount, code=invoice["currency"], param="amount")
        return Drawn(amount, amount)
    made = [_line(call, invoice, sent, index) for index, sent in enumerate(params["lines"])]
    subtotal = sum(line["amount"] for line in made)
    taxes = [tax for line in made for tax in line["taxes"]]
    total = subtotal + sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    if params.get("amount", total) != total:
        raise InvalidRequestError("The amount is not the sum of the lines.", param="amount")
    return Drawn(subtotal, total, made, taxes)


def left_to_credit(*, call: Call, invoice: Body, linking: list[Body]) -> int:
    """The total of the invoice, less its credit notes, and less refunds that none tells of nor is `linking` now."""
    notes = _issued(call, invoice)
    told = {linked["refund"] for linked in linking}
    told |= {linked["refund"] for note in notes for linked in note["refunds"]}
    refunded = [one for one in _refunds(call, invoice) if one["id"] not in told]
    left: int = invoice["total"] - sum(note["amount"] for note in notes) - sum(one["amount"] for one in refunded)
    return left


def charge_of(*, call: Call, invoice: Body) -> Body:
    """The charge that paid the invoice. Raises InvalidRequestError where none did."""
    for intent in call.store.select(kind="payment_intent", filters=[Filter("parent", "eq", invoice["id"])]):
        if intent["status"] == "succeeded":
            return call.fetch(kind="charge", id=intent["latest_charge"])
    raise InvalidRequestError("This invoice was not paid by a charge that could be refunded.", param="refund_amount")


def link(*, call: Call, invoice: Body, sent: Body) -> Body:
    """A refund made before, told by this credit note. Raises InvalidRequestError for another's, or told before."""
    param = "refunds[refund]"
    refund = call.fetch(kind="refund", id=sent.get("refund", ""), param=param)
    if refund["id"] not in [one["id"] for one in _refunds(call, invoice)]:
        raise InvalidRequestError(f"The refund {refund['id']} is not one of this invoice's payment.", param=param)
    earlier = [linked for note in _issued(call, invoice) for linked in note["refunds"]]
    used = sum(linked["amount_refunded"] for linked in earlier if linked["refund"] == refund["id"])
    amount: int = sent["amount_refunded"] if "amount_refunded" in sent else refund["amount"]
    if used + amount > refund["amount"]:
        raise InvalidRequestError("The credit notes tell more than the refund gave back.", param=param)
    return told(refund=refund["id"], amount=amount)


def told(*, refund: str, amount: int) -> Body:
    """How a credit note tells of a refund."""
    return {"amount_refunded": amount, "payment_record_refund": None, "refund": refund, "type": "refund"}


def _issued(call: Call, invoice: Body) -> list[Body]:
    notes = call.store.select(kind="credit_note", filters=[Filter("parent", "eq", invoice["id"])])
    return [note for note in notes if note["status"] == "issued"]


def _refunds(call: Call, invoice: Body) -> list[Body]:
    intents = call.store.select(kind="payment_intent", filters=[Filter("parent", "eq", invoice["id"])])
    return [refund for intent in intents for refund in refunds.standing(call=call, intent=intent["id"])]


def _line(call: Call, invoice: Body, sent: Body, index: int) -> Body:
    param = f"lines[{index}]"
    custom = sent["type"] == "custom_line_item"
    fields = _custom(sent, param) if custom else _mirrored(call, invoice, sent, param)
    currencies.require_step(amount=fields["amount"], code=invoice["currency"], param=f"{param}[amount]")
    return shapes.new(
        kind="credit_note_line_item",
        created=call.now,
        metadata=merge_metadata(current={}, sent=sent.get("metadata", {})),
        type=sent["type"],
        **fields,
    )


def _custom(sent: Body, param: str) -> Body:
    """A line of its own, priced by unit and rounded once."""
    price = sent.get("unit_amount_decimal", sent.get("unit_amount"))
    if price is None:
        message = "A custom line item needs a unit_amount."
        raise InvalidParameterError(message, code="parameter_missing", param=f"{param}[unit_amount]")
    amount = lines.rounded(Decimal(str(price)) * sent.get("quantity", 1))
    return {"amount": amount, "description": sent.get("description"), "quantity": sent.get("quantity", 1)}


def _mirrored(call: Call, invoice: Body, sent: Body, param: str) -> Body:
    """A line of the invoice, or a part of it, with its share of the taxes; never more than the line came to."""
    name = f"{param}[invoice_line_item]"
    line = call.fetch(kind="line_item", id=sent.get("invoice_line_item", ""), param=name)
    if line["invoice"] != invoice["id"]:
        raise InvalidRequestError("The line is one of another invoice.", param=name)
    amount: int = sent["amount"] if "amount" in sent else line["amount"]
    if amount + _credited(call, invoice, line["id"]) > line["amount"]:
        raise InvalidRequestError("More than the line came to would be credited.", param=f"{param}[amount]")
    return {
        "amount": amount,
        "description": sent.get("description", line["description"]),
        "invoice_line_item": line["id"],
        "quantity": sent.get("quantity"),
        "taxes": [_share(tax, amount, line["amount"]) for tax in line["taxes"]],
    }


def _credited(call: Call, invoice: Body, line: str) -> int:
    earlier = [
        found
        for note in _issued(call, invoice)
        for found in call.store.select(kind="credit_note_line_item", filters=[Filter("parent", "eq", note["id"])])
    ]
    return sum(found["amount"] for found in earlier if found["invoice_line_item"] == line)


def _share(tax: Body, amount: int, whole: int) -> Body:
    """The part of a line's tax that goes with a part of its amount."""
    part = Decimal(amount) / Decimal(whole) if whole else Decimal(0)
    shared = {name: lines.rounded(tax[name] * part) for name in ("amount", "taxable_amount")}
    return {**tax, **shared}
