"""Drafts: made, filled with lines, changed, deleted, shown; what happens once finalized is in collection."""

import secrets

from billing.stripe.sandbox import cards, currencies, customers, events, lines, pagination, shapes, taxes, totals
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError, NotModelledError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter

MAX_LINES = 250
SECONDS_PER_DAY = 86_400

_PLAIN = (
    "custom_fields",
    "description",
    "due_date",
    "effective_at",
    "footer",
    "number",
    "statement_descriptor",
)
_EDITABLE_ONCE_FINAL = {"auto_advance", "default_payment_method", "expand", "metadata", "payment_settings"}


def create(*, call: Call, params: Body) -> Body:
    """A new draft for a living customer: without lines, unless it is to include pending items."""
    if "customer" not in params:
        raise InvalidParameterError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = customers.fetch_living(call=call, id=params["customer"], param="customer")
    currency = currencies.find(code=params.get("currency") or customer["currency"] or "usd").code
    draft = shapes.new(
        kind="invoice",
        created=call.now,
        currency=currency,
        period_start=call.now,
        period_end=call.now,
        footer=customer["invoice_settings"]["footer"],
        _token=secrets.token_urlsafe(32),
        **_party(customer),
    )
    draft = _changed(call, draft, params)
    balance = totals.usable_balance(customer=customer, currency=currency)
    draft = totals.with_totals(invoice=taxes.assess(call=call, invoice=draft, lines=[]), lines=[], balance=balance)
    call.store.insert(body=draft, now=call.now, parent=customer["id"])
    if params.get("pending_invoice_items_behavior") == "include":
        _sweep(call, draft)
    shown = show(call, call.fetch(kind="invoice", id=draft["id"]))
    events.emit(call=call, type="invoice.created", body=shown)
    return shown


def _sweep(call: Call, draft: Body) -> None:
    """Take every floating item of the customer and currency in, in the order of their making."""
    conditions = [Filter("parent", "eq", draft["customer"]), Filter("currency", "eq", draft["currency"])]
    for item in call.store.select(kind="invoiceitem", filters=[*conditions, Filter("invoice", "is", None)]):
        attach(call=call, item=item, draft=draft)


def attach(*, call: Call, item: Body, draft: Body) -> Body:
    """The invoice item, with its line on the draft."""
    append(call=call, invoice=draft["id"], sent=[item["_sent"]], item=item["id"])
    attached = {**item, "invoice": draft["id"]}
    call.store.replace(body=attached)
    return attached


def retrieve(*, call: Call, params: Body, invoice: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The invoice with its first lines."""
    return show(call, call.fetch(kind="invoice", id=invoice))


def list_all(*, call: Call, params: Body) -> Body:
    """Invoices, newest first, by customer, status, way of collection, creation and due date."""
    filters = [Filter("parent", "eq", params["customer"])] if "customer" in params else []
    filters += [Filter(name, "eq", params[name]) for name in ("status", "collection_method") if name in params]
    filters += pagination.range_filters(field="due_date", sent=params.get("due_date"))
    return pagination.list_objects(
        call=call, kind="invoice", url="/v1/invoices", params=params, filters=filters, show=show
    )


def update(*, call: Call, params: Body, invoice: str) -> Body:
    """Change a draft; of a finalized invoice only what is no part of the claim. Raises InvalidRequestError."""
    before = call.fetch(kind="invoice", id=invoice)
    frozen = sorted(set(params) - _EDITABLE_ONCE_FINAL)
    if before["status"] != "draft" and frozen:
        message = "Finalized invoices can't be updated in this way"
        raise InvalidRequestError(message, code="invoice_not_editable", param=frozen[0])
    was = show(call, before)
    after = _changed(call, before, params)
    return save(call=call, was=was, after=_summed(call, after) if before["status"] == "draft" else after)


def delete(*, call: Call, params: Body, invoice: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Delete a draft for good. Raises InvalidRequestError for any other invoice."""
    found = call.fetch(kind="invoice", id=invoice)
    require_draft(invoice=found, action="delete")
    events.emit(call=call, type="invoice.deleted", body=show(call, found))
    call.store.remove(id=invoice)
    return {"id": invoice, "object": "invoice", "deleted": True}


def add_lines(*, call: Call, params: Body, invoice: str) -> Body:
    """Append lines of whole amounts to a draft, all or none. Raises InvalidRequestError beyond 250 lines."""
    shown = append(call=call, invoice=invoice, sent=params["lines"])
    if "invoice_metadata" not in params:
        return shown
    before = call.fetch(kind="invoice", id=invoice)
    metadata = merge_metadata(current=before["metadata"], sent=params["invoice_metadata"])
    return save(call=call, was=shown, after={**before, "metadata": metadata})


def append(*, call: Call, invoice: str, sent: list[Body], item: str | None = None) -> Body:
    """The draft with those lines added, shown; `item` is the invoice item that the one line stands for."""
    before = call.fetch(kind="invoice", id=invoice)
    require_draft(invoice=before, action="add lines to")
    present = call.store.count(kind="line_item", filters=[Filter("parent", "eq", invoice)])
    if present + len(sent) > MAX_LINES:
        message = f"You can only add up to {MAX_LINES} items to an invoice; this one has {present}."
        raise InvalidRequestError(message, code="invoice_max_line_items", param="lines")
    was = show(call, before)
    for index, one in enumerate(sent):
        line = lines.build(call=call, invoice=before, sent=one, param=f"lines[{index}]", item=item)
        call.store.insert(body=line, now=call.now, parent=invoice)
    return save(call=call, was=was, after=_summed(call, before))


def list_lines(*, call: Call, params: Body, invoice: str) -> Body:
    """The lines in the order in which they were added."""
    call.fetch(kind="invoice", id=invoice)
    return pagination.list_objects(
        call=call,
        kind="line_item",
        url=f"/v1/invoices/{invoice}/lines",
        params=params,
        filters=[Filter("parent", "eq", invoice)],
        show=lambda _, line: public(body=line),
        oldest_first=True,
    )


def show(call: Call, invoice: Body) -> Body:
    """The invoice as the API shows it: the first ten lines, and links once it is final."""
    first = list_lines(call=call, params={}, invoice=invoice["id"])
    is_final = invoice["status_transitions"]["finalized_at"] is not None
    page = f"{call.base_url}/pay/{invoice['_token']}"
    links = {"hosted_invoice_url": page if is_final else None, "invoice_pdf": f"{page}/pdf" if is_final else None}
    return {**public(body=invoice), **links, "lines": first}


def save(*, call: Call, was: Body, after: Body) -> Body:
    """Keep the new state, tell of it as invoice.updated by what was shown before, and show it."""
    call.store.replace(body=after)
    shown = show(call, after)
    events.emit_update(call=call, type="invoice.updated", before=was, after=shown)
    return shown


def lines_of(*, call: Call, invoice: str) -> list[Body]:
    """All lines of the invoice, in the order in which they were added."""
    return call.store.select(kind="line_item", filters=[Filter("parent", "eq", invoice)])


def require_draft(*, invoice: Body, action: str) -> None:
    """Raises InvalidRequestError, naming the action, unless the invoice is a draft."""
    if invoice["status"] != "draft":
        message = f"You can only {action} draft invoices. This invoice is {invoice['status']}."
        raise InvalidRequestError(message, code="invoice_not_editable")


def refuse_automation(*, params: Body) -> None:
    """Nothing happens by itself in the sandbox; better to refuse than to let a caller wait for it."""
    if params.get("auto_advance"):
        message = "The sandbox advances nothing by itself: send auto_advance=false, then finalize, pay or send."
        raise NotModelledError(message, code="sandbox_not_modelled", param="auto_advance")


def refreshed(*, call: Call, draft: Body) -> Body:
    """The draft for its customer as it is now: until it is final it follows the customer, and so do its taxes."""
    customer = customers.fetch_living(call=call, id=draft["customer"], param="customer")
    return _summed(call, {**draft, **_party(customer)})


def _summed(call: Call, draft: Body) -> Body:
    """The draft with its taxes and sums as its lines make them now."""
    present = lines_of(call=call, invoice=draft["id"])
    draft = taxes.assess(call=call, invoice=draft, lines=present)
    return totals.with_totals(invoice=draft, lines=present, balance=draft["starting_balance"])


def _party(customer: Body) -> Body:
    """Whom the invoice is for, copied from the customer as it is now."""
    return {
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
    }


def _changed(call: Call, invoice: Body, params: Body) -> Body:
    refuse_automation(params=params)
    after = {**invoice, **{name: params[name] or None for name in _PLAIN if name in params}}
    after["collection_method"] = params.get("collection_method", invoice["collection_method"])
    if "metadata" in params:
        after["metadata"] = merge_metadata(current=invoice["metadata"], sent=params["metadata"])
    if "automatic_tax" in params:
        told = {
            "disabled_reason": None,
            "enabled": params["automatic_tax"]["enabled"],
            "status": None,
            "provider": None,
        }
        after["automatic_tax"] = {**invoice["automatic_tax"], **told}
    if "payment_settings" in params:
        after["payment_settings"] = {**invoice["payment_settings"], **params["payment_settings"]}
    if params.get("default_payment_method"):
        after["default_payment_method"] = _own_card(call, invoice["customer"], params["default_payment_method"])
    if params.get("number"):
        _refuse_taken_number(call, invoice["id"], params["number"])
    return _with_due_date(after, params)


def _own_card(call: Call, customer: str, method: str) -> str:
    found = cards.find(call=call, id=method, param="default_payment_method")
    return str(cards.attach_to(call=call, method=found, customer=customer)["id"])


def _refuse_taken_number(call: Call, invoice: str, number: str) -> None:
    holders = call.store.select(kind="invoice", filters=[Filter("number", "eq", number)])
    if any(holder["id"] != invoice for holder in holders):
        raise InvalidRequestError(f"The invoice number {number} is already in use.", param="number")


def _with_due_date(invoice: Body, params: Body) -> Body:
    is_sent = invoice["collection_method"] == "send_invoice"
    terms = [name for name in ("days_until_due", "due_date") if name in params]
    if terms and not is_sent:
        message = f"You can only set {terms[0]} if collection_method is send_invoice."
        raise InvalidRequestError(message, param=terms[0])
    if "days_until_due" in params:
        invoice = {**invoice, "due_date": invoice["created"] + params["days_until_due"] * SECONDS_PER_DAY}
    if is_sent and invoice["due_date"] is None:
        message = "If collection_method is send_invoice, you must specify days_until_due or due_date."
        raise InvalidRequestError(message, param="days_until_due")
    return invoice if is_sent else {**invoice, "due_date": None}
