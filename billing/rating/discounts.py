"""Discounts: in order of creation, before tax, each on what those before it have left, and never below nothing."""

from decimal import Decimal

from billing.money import Money, allocate, round_half_up, total
from billing.rating.cost import PriceRow
from billing.rating.lines import LineKind
from billing.rating.numbers import text_of
from billing.rating.sheet import Sheet
from billing.rating.terms import Discount


def take_off(sheet: Sheet) -> None:
    """Write a line for each card that a discount makes cheaper."""
    for discount in sheet.terms.discounts:
        if discount.percent is not None:
            _take_percentage(sheet, discount, discount.percent)
        elif discount.amount is not None:
            _take_amount(sheet, discount, discount.amount)


def _take_percentage(sheet: Sheet, discount: Discount, percent: Decimal) -> None:
    """Take a percentage of each card's net, rounded on its own line."""
    rate = -percent.scaleb(-2)
    for card, net in sheet.owing(discount.cards):
        exact = net.amount * rate
        row = PriceRow(f"{text_of(percent)} % of {net}", net.amount, rate, exact)
        _write(sheet, discount, card, round_half_up(exact, net.currency), row)


def _take_amount(sheet: Sheet, discount: Discount, amount: Money) -> None:
    """Split an amount over the cards in proportion to what they cost, to the last cent; at most all that they cost."""
    owing = dict(sheet.owing(discount.cards))
    if not owing:
        return
    taken = min(amount, total(list(owing.values()), amount.currency))
    shares = allocate(taken, [net.amount for net in owing.values()])
    for (card, net), share in zip(owing.items(), shares, strict=True):
        row = PriceRow(f"share of {taken} by the {net} it is taken from", Decimal(1), -share.amount, -share.amount)
        _write(sheet, discount, card, -share, row)


def _write(sheet: Sheet, discount: Discount, card: str, amount: Money, row: PriceRow[Decimal]) -> None:
    sheet.change(
        kind=LineKind.DISCOUNT,
        card=card,
        description=f"{discount.name}: {sheet.names().get(card, '')}".rstrip(": "),
        amount=amount,
        rows=(row,),
        source=discount.key,
    )
