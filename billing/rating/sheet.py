"""The sheet: a statement in the making, line by line, with what each card costs so far."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final

from billing.money import Money, zero
from billing.rating.card import Card
from billing.rating.lines import Draw, Line, LineKind, Rows
from billing.rating.terms import Service, Terms

PLAN: Final = ""  # stands for the plan as a whole where a card's key is meant
_ONE: Final = Decimal(1)


@dataclass(slots=True)
class Sheet:
    """What has been written so far; `nets` is what each card costs after the lines written, in the order of cards."""

    terms: Terms
    lines: list[Line] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    nets: dict[str, Money] = field(default_factory=dict)

    def net(self) -> Money:
        """Return what the plan costs so far."""
        return sum(self.nets.values(), zero(self.terms.currency))

    def write(self, line: Line) -> None:
        """Add a line, and its amount to what its card costs."""
        self.lines.append(line)
        before = self.nets.get(line.card)
        self.nets[line.card] = line.amount if before is None else before + line.amount

    def change(
        self, *, kind: LineKind, card: str, description: str, amount: Money, rows: Rows = (), source: str = ""
    ) -> None:
        """Add a line that changes what a card, or the plan, costs; there is none for no change."""
        if not amount:
            return
        period = self.service(card).period
        starts_at, ends_at = period.starts_at, period.ends_at
        self.write(Line(kind, card, description, "", _ONE, "", amount, rows, starts_at, ends_at, source))

    def service(self, card: str) -> Service:
        """Return the period that a card is charged for, and the full one around it."""
        return self.terms.services.get(card) or Service(self.terms.period, self.terms.full)

    def owing(self, cards: Sequence[str]) -> Iterator[tuple[str, Money]]:
        """Yield what can be taken off from: the cards named (all, where none is) that cost something, in order."""
        for card, net in list(self.nets.items()):
            if net.amount > 0 and (not cards or card in cards):
                yield card, net

    def names(self) -> dict[str, str]:
        """Return what the cards are called on the invoice."""
        return {card.key: card.name for card in self.terms.cards}


def share_of(sheet: Sheet, card: str) -> Fraction:
    """Return which part of its full period a card, or the plan, is charged for."""
    service = sheet.service(card)
    return service.period.fraction_of(service.full)


def cards_with(sheet: Sheet, name: str) -> list[tuple[Card, Decimal]]:
    """Return the cards that have an amount in the field named, with it."""
    return [(card, amount) for card in sheet.terms.cards if (amount := getattr(card, name)) is not None]
