"""The hosted pages as HTML: an invoice with its pay form, and lists of invoices."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from billing.stripe.sandbox import currencies
from billing.stripe.sandbox.objects import Body

CARD_CHOICES = {
    "pm_card_visa": "Visa ending 4242: succeeds",
    "pm_card_chargeCustomerFail": "Visa ending 0341: is declined",
    "pm_card_chargeDeclinedInsufficientFunds": "Visa ending 9995: has insufficient funds",
}

_PAGES = Path(__file__).parent / "pages"
_STATUS_WORDS = {"open": "Open", "paid": "Paid", "void": "Void", "uncollectible": "Uncollectible", "draft": "Draft"}
_NOTICES = {"paid": "Paid. Thank you.", "void": "This invoice was voided: nothing is owed."}


def stylesheet() -> bytes:
    """The one stylesheet of all pages."""
    return (_PAGES / "sandbox.css").read_bytes()


def render_invoice(*, invoice: Body, lines: Sequence[Body], token: str, alert: str | None = None) -> str:
    """The page of one finalized invoice (as the API shows it); `alert` is why the last attempt to pay failed."""
    is_payable = invoice["status"] in ("open", "uncollectible")
    content = _fill(
        "invoice.html",
        number=escape(invoice["number"]),
        status=invoice["status"],
        status_word=_STATUS_WORDS[invoice["status"]],
        seller=escape(invoice["account_name"]),
        buyer=_buyer(invoice),
        due=_date(invoice["due_date"]),
        memo=f"<p>{escape(invoice['description'])}</p>" if invoice["description"] else "",
        rows="\n".join(_line_row(line) for line in lines),
        total=_money(invoice["total"], invoice),
        balance=_balance_row(invoice),
        remaining=_money(invoice["amount_remaining"], invoice),
        alert=_notice(invoice, alert),
        payment=_payment(invoice, token) if is_payable else "",
        token=token,
    )
    return _frame(f"Invoice {invoice['number']}", content)


def _notice(invoice: Body, alert: str | None) -> str:
    """What stands above the form, or in its place."""
    if invoice["status"] in _NOTICES:
        return f'<p class="done" role="status">{_NOTICES[invoice["status"]]}</p>'
    return f'<p class="alert" role="alert">{escape(alert)}</p>' if alert else ""


def render_index(*, invoices: Sequence[Body], count: int) -> str:
    """The front page: the latest invoices, each with a link to its page once it has one."""
    summary = f"{count} in all; the latest {len(invoices)} are shown." if count > len(invoices) else f"{count} in all."
    return _list("Invoices", invoices, summary, "")


def render_portal(*, customer: Body, invoices: Sequence[Body], return_url: str | None) -> str:
    """A customer's own invoices, with the way back."""
    back = f'<p><a href="{escape(return_url)}">Back</a></p>' if return_url else ""
    name = escape(customer["name"] or customer["email"] or customer["id"])
    return _list("Your invoices", invoices, f"Invoices of {name}.", back)


def render_message(*, title: str, text: str) -> str:
    """A page that says one thing."""
    return _frame(title, f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>")


def _list(title: str, invoices: Sequence[Body], summary: str, back: str) -> str:
    rows = "\n".join(_invoice_row(invoice) for invoice in invoices)
    return _frame(title, _fill("index.html", summary=summary, rows=rows, back=back))


def _invoice_row(invoice: Body) -> str:
    name = escape(invoice["number"] or invoice["id"])
    url = invoice["hosted_invoice_url"]
    link = f'<a href="{escape(url)}">{name}</a>' if url else name
    word = f'<span class="status {invoice["status"]}">{_STATUS_WORDS[invoice["status"]]}</span>'
    total = _money(invoice["total"], invoice)
    return f'<tr><td>{link}</td><td>{_buyer(invoice)}</td><td>{word}</td><td class="amount">{total}</td></tr>'


def _line_row(line: Body) -> str:
    amount = currencies.format_amount(amount=line["amount"], code=line["currency"])
    return f'<tr><td>{escape(line["description"] or "Line")}</td><td class="amount">{amount}</td></tr>'


def _balance_row(invoice: Body) -> str:
    applied = invoice["amount_due"] - invoice["total"]
    if applied == 0:
        return ""
    return f'<tr><th scope="row">Customer balance</th><td class="amount">{_money(applied, invoice)}</td></tr>'


def _payment(invoice: Body, token: str) -> str:
    cards = "\n".join(_card_choice(card, words) for card, words in CARD_CHOICES.items())
    return _fill("payment.html", token=token, cards=cards, remaining=_money(invoice["amount_remaining"], invoice))


def _card_choice(card: str, words: str) -> str:
    checked = " checked" if card == next(iter(CARD_CHOICES)) else ""
    return f'<label><input type="radio" name="card" value="{card}"{checked}> {escape(words)}</label>'


def _buyer(invoice: Body) -> str:
    return escape(invoice["customer_name"] or invoice["customer_email"] or invoice["customer"])


def _date(moment: int | None) -> str:
    return "On receipt" if moment is None else datetime.fromtimestamp(moment, tz=UTC).strftime("%d %B %Y (UTC)")


def _money(amount: int, invoice: Body) -> str:
    return currencies.format_amount(amount=amount, code=invoice["currency"])


def _frame(title: str, content: str) -> str:
    return _fill("frame.html", title=escape(title), content=content)


def _fill(name: str, **parts: str) -> str:
    return _template(name).substitute(parts)


@cache
def _template(name: str) -> Template:
    return Template((_PAGES / name).read_text(encoding="utf-8"))
