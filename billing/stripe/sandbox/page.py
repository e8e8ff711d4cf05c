"""The hosted pages as HTML: an invoice with its pay form, and lists of invoices."""

from collections.abc import Sequence
from dataclasses import dataclass
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

ACT_WORDS = {
    "pay": "Pay",
    "decline": "Decline",
    "dispute": "Dispute",
    "win": "Win dispute",
    "lose": "Lose dispute",
}

_PAGES = Path(__file__).parent / "pages"
_STATUS_WORDS = {"open": "Open", "paid": "Paid", "void": "Void", "uncollectible": "Uncollectible", "draft": "Draft"}
_NOTICES = {"paid": "Paid. Thank you.", "void": "This invoice was voided: nothing is owed."}


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice on the front page: as the API shows it, with what may be done to it and what troubles it."""

    invoice: Body
    token: str
    acts: Sequence[str]
    trouble: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of the portal: whose, by which link, where it leads back to, and whether a card was just kept."""

    customer: Body
    token: str
    return_url: str | None
    is_kept: bool


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


def render_index(*, rows: Sequence[Row], count: int, is_watched: bool) -> str:
    """The front page: the latest invoices, each with a link to its page once it has one, and with what can be done."""
    summary = f"{count} in all; the latest {len(rows)} are shown." if count > len(rows) else f"{count} in all."
    watch = '<a href="/">Stop watching</a>' if is_watched else '<a href="/?watch">Watch, every 5 seconds</a>'
    content = _fill(
        "index.html",
        title="Invoices",
        summary=f"{summary} {watch}",
        more='<th scope="col">Do</th>',
        rows="\n".join(_invoice_row(row.invoice, row.trouble, _acts(row, is_watched=is_watched)) for row in rows),
        back="",
    )
    return _frame("Invoices", content, '<meta http-equiv="refresh" content="5">' if is_watched else "")


def render_portal(*, visit: Visit, invoices: Sequence[Body]) -> str:
    """A customer's own invoices and its card, with the way back."""
    back = f'<p><a href="{escape(visit.return_url)}">Back</a></p>' if visit.return_url else ""
    name = escape(visit.customer["name"] or visit.customer["email"] or visit.customer["id"])
    kept = '<p class="done" role="status">The card is kept.</p>' if visit.is_kept else ""
    content = _fill(
        "index.html",
        title="Your invoices",
        summary=f"Invoices of {name}.",
        more="",
        rows="\n".join(_invoice_row(invoice, "", "") for invoice in invoices),
        back=f"{kept}\n{_fill('card.html', token=visit.token, cards=_cards())}\n{back}",
    )
    return _frame("Your invoices", content)


def render_message(*, title: str, text: str) -> str:
    """A page that says one thing."""
    return _frame(title, f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>")


def _acts(row: Row, *, is_watched: bool) -> str:
    """A form with a button for each thing that can be done; screen readers hear the number with each."""
    name = escape(row.invoice["number"] or row.invoice["id"])
    buttons = "".join(
        f'<button name="act" value="{act}">{ACT_WORDS[act]}<span class="unseen"> {name}</span></button>'
        for act in row.acts
    )
    watch = '<input type="hidden" name="watch" value="1">' if is_watched else ""
    form = f'<form class="acts" method="post" action="/pay/{row.token}/act">{watch}{buttons}</form>' if buttons else ""
    return f"<td>{form}</td>"


def _invoice_row(invoice: Body, trouble: str, acts: str) -> str:
    name = escape(invoice["number"] or invoice["id"])
    url = invoice["hosted_invoice_url"]
    link = f'<a href="{escape(url)}">{name}</a>' if url else name
    word = f'<span class="status {invoice["status"]}">{_STATUS_WORDS[invoice["status"]]}</span>'
    total = _money(invoice["total"], invoice)
    told = f' <span class="trouble">{escape(trouble)}</span>' if trouble else ""
    cells = f'<td>{link}</td><td>{_buyer(invoice)}</td><td>{word}{told}</td><td class="amount">{total}</td>'
    return f"<tr>{cells}{acts}</tr>"


def _line_row(line: Body) -> str:
    amount = currencies.format_amount(amount=line["amount"], code=line["currency"])
    return f'<tr><td>{escape(line["description"] or "Line")}</td><td class="amount">{amount}</td></tr>'


def _balance_row(invoice: Body) -> str:
    applied = invoice["amount_due"] - invoice["total"]
    if applied == 0:
        return ""
    return f'<tr><th scope="row">Customer balance</th><td class="amount">{_money(applied, invoice)}</td></tr>'


def _payment(invoice: Body, token: str) -> str:
    return _fill("payment.html", token=token, cards=_cards(), remaining=_money(invoice["amount_remaining"], invoice))


def _cards() -> str:
    return "\n".join(_card_choice(card, words) for card, words in CARD_CHOICES.items())


def _card_choice(card: str, words: str) -> str:
    checked = " checked" if card == next(iter(CARD_CHOICES)) else ""
    return f'<label><input type="radio" name="card" value="{card}"{checked}> {escape(words)}</label>'


def _buyer(invoice: Body) -> str:
    return escape(invoice["customer_name"] or invoice["customer_email"] or invoice["customer"])


def _date(moment: int | None) -> str:
    return "On receipt" if moment is None else datetime.fromtimestamp(moment, tz=UTC).strftime("%d %B %Y (UTC)")


def _money(amount: int, invoice: Body) -> str:
    return currencies.format_amount(amount=amount, code=invoice["currency"])


def _frame(title: str, content: str, head: str = "") -> str:
    return _fill("frame.html", title=escape(title), content=content, head=head)


def _fill(name: str, **parts: str) -> str:
    return _template(name).substitute(parts)


@cache
def _template(name: str) -> Template:
    return Template((_PAGES / name).read_text(encoding="utf-8"))
