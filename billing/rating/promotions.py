"""Promotions: granted credit pays for cards before tax, in the order in which the grants come."""

from decimal import Decimal

from billing.money import Money
from billing.rating.cost import PriceRow
from billing.rating.lines import Draw, LineKind
from billing.rating.sheet import Sheet
from billing.rating.terms import Grant


def spend(sheet: Sheet) -> None:
    """Write a line for each card that a grant of money pays for; grants in credits were used up as units before."""
    for grant in sheet.terms.promotions:
        if grant.unit == sheet.terms.currency and grant.remaining > 0:
            _spend(sheet, grant)


def _spend(sheet: Sheet, grant: Grant) -> None:
    left = Money(grant.remaining, grant.unit)
    names = sheet.names()
    for card, net in sheet.owing(grant.cards):
        taken = min(left, net)
        if not taken:
            return
        left -= taken
        sheet.draws.append(Draw(grant.key, card, taken.amount, grant.unit))
        row = PriceRow(f"of {left + taken} left, {net} due", Decimal(1), -taken.amount, -taken.amount)
        description = f"{grant.name}: {names.get(card, '')}".rstrip(": ")
        sheet.change(
            kind=LineKind.CREDIT, card=card, description=description, amount=-taken, rows=(row,), source=grant.key
        )
