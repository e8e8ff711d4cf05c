"""What people open in a browser: the front page, the hosted invoice with its pay form and PDF, and the portal."""

from urllib.parse import parse_qs

from billing.stripe.sandbox import acts, cards, collection, customers, invoices, page, pdf
from billing.stripe.sandbox.api import Answer, Request
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import ApiError
from billing.stripe.sandbox.objects import Body, public
from billing.stripe.sandbox.store import Filter

PORTAL_SECONDS = 3_600
"""How long the link of a portal session works."""
LISTED = 100

_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(*, call: Call, request: Request) -> Answer:
    """The page of that address, or a 404 page; within a transaction."""
    match request.method, request.path.strip("/").split("/"):
        case "GET", [""]:
            return _index(call, is_watched="watch" in request.query)
        case "GET", ["sandbox.css"]:
            return Answer(status=200, body=page.stylesheet(), headers={"Content-Type": "text/css; charset=utf-8"})
        case "GET", ["favicon.ico"]:
            return Answer(status=204, body=b"")  # browsers ask for it unasked; there is none
        case "GET" | "POST", ["pay", token, *rest]:
            return _invoice(call, request, token, rest)
        case "GET" | "POST", ["portal", token]:
            return _portal(call, token, request)
        case _:
            return _missing("There is no such page.")


def _index(call: Call, *, is_watched: bool) -> Answer:
    latest = call.store.select(kind="invoice", newest_first=True, limit=LISTED)
    rows = [
        page.Row(
            invoices.show(call, one), one["_token"], acts.possible(call=call, invoice=one), acts.trouble(call, one)
        )
        for one in latest
    ]
    return _html(page.render_index(rows=rows, count=call.store.count(kind="invoice"), is_watched=is_watched))


def _invoice(call: Call, request: Request, token: str, rest: list[str]) -> Answer:
    found = call.store.select(kind="invoice", filters=[Filter("_token", "eq", token)])
    # A draft has its token already, but nothing to show to anybody yet.
    if not found or found[0]["status"] == "draft":
        return _missing("This invoice does not exist.")
    match request.method, rest:
        case "GET", []:
            return _show(call, found[0])
        case "GET", ["pdf"]:
            return _document(call, found[0])
        case "POST", []:
            return _pay(call, found[0], request.body)
        case "POST", ["act"]:
            return _act(call, found[0], request.body)
        case _:
            return _missing("There is no such page.")


def _show(call: Call, invoice: Body, alert: str | None = None, status: int = 200) -> Answer:
    lines = invoices.lines_of(call=call, invoice=invoice["id"])
    shown = invoices.show(call, invoice)
    return _html(page.render_invoice(invoice=shown, lines=lines, token=invoice["_token"], alert=alert), status)


def _document(call: Call, invoice: Body) -> Answer:
    document = pdf.render(
        invoice=invoices.show(call, invoice), lines=invoices.lines_of(call=call, invoice=invoice["id"])
    )
    name = f'inline; filename="invoice-{invoice["id"]}.pdf"'
    return Answer(
        status=200, body=document, headers={**_HEADERS, "Content-Type": "application/pdf", "Content-Disposition": name}
    )


def _pay(call: Call, invoice: Body, body: bytes) -> Answer:
    """Pay by the chosen card, then show the page; a second click on a paid invoice only shows it."""
    card = parse_qs(body.decode("utf-8", errors="replace")).get("card", [""])[0]
    if card not in page.CARD_CHOICES:
        return _show(call, invoice, alert="Choose one of the cards.", status=400)
    if invoice["status"] != "paid":
        try:
            collection.pay(call=call, params={"payment_method": card}, invoice=invoice["id"])
        except ApiError as error:
            tried = call.fetch(kind="invoice", id=invoice["id"])
            return _show(call, tried, alert=error.message, status=error.status)
    return Answer(status=303, body=b"", headers={**_HEADERS, "Location": f"/pay/{invoice['_token']}"})


def _act(call: Call, invoice: Body, body: bytes) -> Answer:
    """Do what was clicked on the front page, and show that page again."""
    sent = parse_qs(body.decode("utf-8", errors="replace"))
    act = sent.get("act", [""])[0]
    if act not in acts.possible(call=call, invoice=invoice):
        return _html(page.render_message(title="Not now", text="The invoice has changed meanwhile."), 409)
    acts.perform(call=call, invoice=invoice, act=act)
    return Answer(status=303, body=b"", headers={**_HEADERS, "Location": "/?watch" if "watch" in sent else "/"})


def _keep_card(call: Call, customer: str, body: bytes) -> bool:
    """Put the chosen card on file as the default; whether one was chosen."""
    card = parse_qs(body.decode("utf-8", errors="replace")).get("card", [""])[0]
    if card not in page.CARD_CHOICES:
        return False
    method = cards.attach_to(call=call, method=cards.find(call=call, id=card, param="card"), customer=customer)
    default = {"invoice_settings": {"default_payment_method": method["id"]}}
    customers.update(call=call, params=default, customer=customer)
    return True


def _portal(call: Call, token: str, request: Request) -> Answer:
    sessions = call.store.select(kind="billing_portal.session", filters=[Filter("_token", "eq", token)])
    if not sessions or sessions[0]["created"] + PORTAL_SECONDS <= call.now:
        return _missing("This link has expired. Open the portal again from where you came.")
    session = sessions[0]
    is_kept = request.method == "POST" and _keep_card(call, session["customer"], request.body)
    owned = call.store.select(
        kind="invoice", filters=[Filter("parent", "eq", session["customer"])], newest_first=True, limit=LISTED
    )
    final = [invoices.show(call, invoice) for invoice in owned if invoice["status"] != "draft"]
    customer = public(body=call.fetch(kind="customer", id=session["customer"]))
    told = page.Visit(customer, token, session["return_url"], is_kept)
    return _html(page.render_portal(visit=told, invoices=final))


def _missing(text: str) -> Answer:
    return _html(page.render_message(title="Not found", text=text), 404)


def _html(text: str, status: int = 200) -> Answer:
    return Answer(status=status, body=text.encode(), headers=_HEADERS)
