"""Prices for reading: a sentence, or a table of tiers and rows."""

from collections.abc import Iterable, Mapping, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.models import RateCard
from billing.rating import prices
from billing.rating.numbers import text_of
from billing.rating.prices import (
    Capacity,
    Credits,
    Flat,
    Graduated,
    Matrix,
    Package,
    Percentage,
    Price,
    Scalar,
    StairStep,
    Tier,
    Unit,
    Volume,
)

_TABLE = '<table class="w-full"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
REST = "any other"


def price_tables(card: RateCard) -> SafeString:
    """Return the price of a rate card in each currency."""
    rows = ((currency, price_table(prices.parse(price))) for currency, price in card.prices.items())
    return format_html_join("", "<div>{} {}</div>", rows)


def price_table(price: Price) -> SafeString:
    """Return a price for reading."""
    match price:
        case Percentage():
            return format_html("{}", "; ".join(_percentage(price)))
        case Capacity(inner):
            return format_html("of the most held at once: {}", _scalar(inner))
        case Matrix(rows, default):
            lines = [(_usage(row.match), _scalar(row.price)) for row in rows]
            return table(("usage", "price"), [*lines, (REST, _scalar(default))])
        case Credits(currency, credits_, amount, rows):
            counted = [(_usage(row.match), text_of(row.credits)) for row in rows]
            head = format_html("{} for each credit ({})", text_of(amount), currency)
            return format_html(
                "{}{}", head, table(("usage", "credits each"), [*counted, (REST if rows else "any", text_of(credits_))])
            )
        case _:
            return _scalar(price)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> SafeString:
    """Return a table with the cells escaped."""
    cells = format_html_join("", '<th class="text-left pr-4">{}</th>', ((name,) for name in head))
    lines = ((format_html_join("", '<td class="pr-4">{}</td>', ((cell,) for cell in row)),) for row in rows)
    return format_html(_TABLE, cells, format_html_join("", "<tr>{}</tr>", lines))


def _scalar(price: Scalar) -> SafeString:
    match price:
        case Flat(amount):
            return format_html("{} in all", text_of(amount))
        case Unit(amount):
            return format_html("{} each", text_of(amount))
        case Package(size, amount):
            return format_html("{} for every started {}", text_of(amount), text_of(size))
        case Graduated(tiers):
            return _tiers("each in its tier", tiers)
        case Volume(tiers):
            return _tiers("each, by the tier that the last one is in", tiers)
        case StairStep(tiers):
            rows = ((_end(tier), text_of(tier.flat)) for tier in tiers)
            return table(("up to and including", "in all"), rows)


def _tiers(each: str, tiers: Iterable[Tier]) -> SafeString:
    rows = ((_end(tier), text_of(tier.unit), text_of(tier.flat)) for tier in tiers)
    return table(("up to and including", each, "on entering"), rows)


def _end(tier: Tier) -> str:
    return "and above" if tier.up_to is None else text_of(tier.up_to)


def _percentage(price: Percentage) -> Iterable[str]:
    yield f"{text_of(price.percent)} %"
    for text, amount in (("plus", price.fixed or None), ("at least", price.minimum), ("at most", price.maximum)):
        if amount is not None:
            yield f"{text} {text_of(amount)} for each {price.transaction}"


def _usage(match: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{name} {' or '.join(values)}" for name, values in match.items())
