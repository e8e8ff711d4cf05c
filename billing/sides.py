"""Sides: the lines of a period as they were billed and as they come to now, each under a name that both have."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from billing import assessment
from billing.assessment import Question, Reference
from billing.models import Invoice, InvoiceLine
from billing.periods import Period
from billing.rating.lines import LineKind

# Tax is worked out anew, late lines are of other periods, and what was drawn from credits stays drawn.
_NOT_COMPARED: Final = (LineKind.TAX, LineKind.LATE, LineKind.CREDIT)


@dataclass(frozen=True, slots=True)
class Side:
    """What a line came to, now or as it was billed; `reference` names its rate card, and its row where it has one."""

    card: str
    description: str
    meter: str
    unit: str
    quantity: Decimal
    amount: Decimal
    period: Period
    reference: Reference


def as_it_is(*, question: Question) -> Mapping[str, Side]:
    """Return the lines of a period as they come to at the fold of a question. Raises what `assess` does."""
    assessed = assessment.assess(question)
    pairs = zip(assessed.rated.lines, assessed.references, strict=True)
    return _summed(
        (
            _key(line.kind, line.card, line.source, reference.terms, line.starts_at),
            Side(
                line.card,
                line.description,
                line.meter,
                line.unit,
                line.quantity,
                line.amount.amount,
                Period(line.starts_at, line.ends_at),
                Reference(reference.rate_card_id),
            ),
        )
        for line, reference in pairs
        if line.kind not in _NOT_COMPARED
    )


def as_billed(*, invoice: Invoice | None) -> Mapping[str, Side]:
    """Return the lines of an invoice as it was issued; none where there is none."""
    if invoice is None:
        return {}
    lines = InvoiceLine.objects.filter(invoice=invoice).exclude(kind__in=_NOT_COMPARED)
    return _summed(
        (
            _key(line.kind, line.rate_card.key if line.rate_card else "", line.source, line.terms, line.starts_at),
            Side(
                line.rate_card.key if line.rate_card else "",
                line.description,
                line.meter,
                line.unit,
                line.quantity,
                line.amount,
                Period(line.starts_at, line.ends_at),
                Reference(line.rate_card_id, adjusts_id=line.pk),
            ),
        )
        for line in lines.select_related("rate_card").order_by("position")
    )


def _summed(sides: Iterable[tuple[str, Side]]) -> Mapping[str, Side]:
    """Return the lines by their names; those of one name as one."""
    found: dict[str, Side] = {}
    for key, side in sides:
        known = found.get(key)
        if known is not None:
            side = replace(known, quantity=known.quantity + side.quantity, amount=known.amount + side.amount)  # noqa: PLW2901
        found[key] = side
    return found


def _key(kind: str, card: str, source: str, terms: str, starts_at: datetime) -> str:
    """Return the name of a line: what it has in common with itself when the period is rated again."""
    text = "\n".join((str(kind), card, source, terms, f"{starts_at.timestamp():.6f}"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
