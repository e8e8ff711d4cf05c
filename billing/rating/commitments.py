"""Commitments: the most and the least that a card, or the whole plan, costs; each its own line."""

from decimal import Decimal
from fractions import Fraction

from billing.money import Money, round_half_up, zero
from billing.rating.cost import PriceRow
from billing.rating.lines import LineKind
from billing.rating.numbers import text_of
from billing.rating.sheet import PLAN, Sheet, cards_with, share_of


def cap(sheet: Sheet) -> None:
    """Take off what goes beyond a maximum: of a card, then of the plan on the line that crosses it and those after."""
    for card, most in cards_with(sheet, "maximum"):
        _cap(sheet, card.key, round_half_up(most, sheet.terms.currency), card.name)
    if sheet.terms.maximum is not None:
        _cap_plan(sheet, sheet.terms.maximum)


def _cap_plan(sheet: Sheet, most: Money) -> None:
    left, names = most, sheet.names()
    for card, net in sheet.owing(()):
        _cap(sheet, card, left, names.get(card, ""))
        left -= min(net, left)


def _cap(sheet: Sheet, card: str, most: Money, name: str) -> None:
    net = sheet.nets[card]
    over = net - min(net, most)
    row = PriceRow(f"{net} is above the most that is due, {most}", Decimal(1), -over.amount, -over.amount)
    sheet.change(kind=LineKind.MAXIMUM, card=card, description=f"{name}: above the maximum", amount=-over, rows=(row,))


def true_up(sheet: Sheet) -> None:
    """Add what is missing to a minimum, prorated with the period: of a card, then of the plan."""
    for card, least in cards_with(sheet, "minimum"):
        _true_up(sheet, card.key, least, sheet.nets[card.key], f"{card.name}: minimum")
    if sheet.terms.minimum is not None:
        _true_up(sheet, PLAN, sheet.terms.minimum.amount, sheet.net(), "Minimum")


def _true_up(sheet: Sheet, card: str, least: Decimal, net: Money, description: str) -> None:
    fraction = share_of(sheet, card)
    exact = Fraction(least) * fraction
    missing = round_half_up(exact, net.currency) - net
    if missing <= zero(net.currency):
        return
    seconds = "" if fraction == 1 else " for the part of the full period that is billed"
    rows = (
        PriceRow(f"at least {text_of(least)}{seconds}", fraction, least, exact),
        PriceRow("charged before", Fraction(1), -net.amount, -Fraction(net.amount)),
    )
    sheet.change(kind=LineKind.MINIMUM, card=card, description=description, amount=missing, rows=rows)
