"""Worked examples beside the draft form: what each rate card asks for three quantities, and where its total falls."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing import planned, worked
from billing.admin.pricing import documents
from billing.admin.pricing.entries import Tree, find, text_of_match
from billing.admin.pricing.form import Fault
from billing.documents import Table
from billing.errors import BillingError, PlanDocumentError, PriceError
from billing.money import currency_of
from billing.rating import prices
from billing.rating.card import Card
from billing.rating.numbers import decimal_of, text_of
from billing.worked import Example

MOST: Final = 6


@dataclass(frozen=True, slots=True)
class Shown:
    """One quantity for reading: what it comes to, and the rows of the formula."""

    usage: str
    amount: str
    formula: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worked:
    """The examples of a card in one currency, and where more usage makes the total fall."""

    currency: str
    shown: tuple[Shown, ...]
    warnings: tuple[str, ...]
    refusal: str = ""


def work(*, tree: Tree, at: int, meters: Mapping[str, tuple[str, ...]]) -> tuple[Worked, ...]:
    """Return the examples of the rate card at a place of the form, for each of its currencies; never raises for it."""
    return tuple(_work(tree, at, code, meters) for code in documents.currencies_of(tree))


def _work(tree: Tree, at: int, currency: str, meters: Mapping[str, tuple[str, ...]]) -> Worked:
    try:
        card = _card(tree, at, currency, meters)
        quantities = _quantities(str(find(tree, f"rate_cards[{at}].quantities") or ""))
        examples = worked.work(card=card, currency=currency, quantities=quantities)
    except (PlanDocumentError, PriceError) as error:
        return Worked(currency, (), (), refusal=Fault.of(error).text)
    except (BillingError, ValueError) as error:
        return Worked(currency, (), (), refusal=str(error))
    warnings = tuple(Fault(fall.field, str(fall).partition(": ")[2]).text for fall in prices.warnings(card.price))
    return Worked(currency, tuple(_shown(card, example) for example in examples), warnings)


def _card(tree: Tree, at: int, currency: str, meters: Mapping[str, tuple[str, ...]]) -> Card:
    """Read one card as the whole form would be read; its price in the other currencies may still be missing."""
    currency_of(currency)
    found = find(tree, f"rate_cards[{at}]") or {}
    document = documents.card_of(found, f"rate_cards[{at}].")
    for name in ("prices", "minimum", "maximum"):
        if name in document:
            document[name] = {code: value for code, value in document[name].items() if code == currency}
    table = Table(document, f"rate_cards[{at}].")
    read = planned.parse(table=table, currency=currency, currencies=(currency,), interval="month", meters=meters)
    return read.card


def _quantities(text: str) -> tuple[Decimal, ...]:
    return tuple(decimal_of(part.strip()) for part in text.split(",") if part.strip())[:MOST]


def _shown(card: Card, example: Example) -> Shown:
    group = {name: value for name, value in example.group.items() if value is not None}
    usage = f"{text_of(example.quantity)} {card.unit}" + (f" ({text_of_match(group)})" if group else "")
    formula = tuple(_row(row) for line in example.lines for row in line.detail())
    return Shown(usage, str(example.amount), formula)


def _row(row: Mapping[str, str]) -> str:
    """Return a row of a formula as on an invoice."""
    times = f" at {row['unit_price']}" if row["unit_price"] else ""
    comes_to = f" = {row['amount']}" if row["amount"] else ""
    return f"{row['quantity']}{times}{comes_to} ({row['text']})"
