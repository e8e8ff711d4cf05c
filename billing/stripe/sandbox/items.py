"""Invoice items: one line added at a time, to a draft or, floating, to whatever invoice sweeps it in next."""

import json

from billing.stripe.sandbox import currencies, customers, events, invoices, lines, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter


def create(*, call: Call, params: Body) -> Body:
    """A new item; without an `invoice` it floats until a draft is made that includes pending items."""
    if "customer" not in params:
        raise InvalidParameterError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = customers.fetch_living(call=call, id=params["customer"], param="customer")
    draft = _draft(call, customer, params)
    told = draft["currency"] if draft else params.get("currency") or customer["currency"] or "usd"
    currency = currencies.find(code=told).code
    amount, pricing = lines.priced(sent=params, currency=currency, param="invoiceitem")
    counted = lines.quantities(sent=params)
    item = shapes.new(
        kind="invoiceitem",
        created=call.now,
        amount=amount,
        net_amount=amount,
        currency=currency,
        customer=customer["id"],
        date=call.now,
        description=params.get("description"),
        discountable=params.get("discountable", amount >= 0),
        metadata=merge_metadata(current={}, sent=params.get("metadata", {})),
        period=lines.period_of(call=call, sent=params, param="invoiceitem"),
        pricing=pricing,
        quantity=counted["quantity"] or 0,
        quantity_decimal=counted["quantity_decimal"],
        _sent=_line_params(params),
    )
    call.store.insert(body=item, now=call.now, parent=customer["id"])
    events.emit(call=call, type="invoiceitem.created", body=public(body=item))
    return public(body=invoices.attach(call=call, item=item, draft=draft) if draft else item)


def retrieve(*, call: Call, params: Body, invoiceitem: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The item."""
    return public(body=call.fetch(kind="invoiceitem", id=invoiceitem))


def delete(*, call: Call, params: Body, invoiceitem: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Delete a floating item. Raises InvalidRequestError for one that is on an invoice."""
    found = call.fetch(kind="invoiceitem", id=invoiceitem)
    if found["invoice"] is not None:
        raise InvalidRequestError("The sandbox deletes only invoice items that are on no invoice.", param="id")
    call.store.remove(id=invoiceitem)
    events.emit(call=call, type="invoiceitem.deleted", body=public(body=found))
    return {"id": invoiceitem, "object": "invoiceitem", "deleted": True}


def list_all(*, call: Call, params: Body) -> Body:
    """Items, newest first, by customer, invoice, pending or not, and creation."""
    filters = [Filter("parent", "eq", params["customer"])] if "customer" in params else []
    if "invoice" in params:
        filters.append(Filter("invoice", "eq", params["invoice"]))
    if "pending" in params:
        filters.append(Filter("invoice", "is" if params["pending"] else "is not", None))
    return pagination.list_objects(
        call=call,
        kind="invoiceitem",
        url="/v1/invoiceitems",
        params=params,
        filters=filters,
        show=lambda _, item: public(body=item),
    )


def _draft(call: Call, customer: Body, params: Body) -> Body | None:
    if "invoice" not in params:
        return None
    draft = call.fetch(kind="invoice", id=params["invoice"], param="invoice")
    invoices.require_draft(invoice=draft, action="add items to")
    if draft["customer"] != customer["id"]:
        raise InvalidRequestError("The invoice belongs to another customer.", param="invoice")
    return draft


def _line_params(params: Body) -> Body:
    """What of the item makes its line, kept as JSON: decimals as text."""
    own = {"customer", "invoice", "currency", "expand", "tax_behavior"}
    kept = {name: value for name, value in params.items() if name not in own}
    line: Body = json.loads(json.dumps(kept, default=str))
    return line
