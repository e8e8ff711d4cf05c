"""The lines of an invoice as Stripe is told them; pure.

Stripe takes 250 lines an invoice. A longer one is told in sums that still add up to the cent, first by rate card, unit
and kind, then, where that is too long too, by kind; the detail stays ours. One invoice is never split over two.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from billing.models import Invoice, InvoiceLine
from billing.models.invoices import LineKind
from billing.money import Money

PREPAID: Final = "prepaid"  # stands for the position of the line that takes off what credit has paid
# Stripe's limit an invoice, enforced since its API version of 2016-02-22.
MAX_LINES: Final = 250
_KIND_NAMES: Final = MappingProxyType(
    {
        LineKind.CHARGE: "Charges",
        LineKind.ZERO_RATED: "Usage at no charge",
        LineKind.DISCOUNT: "Discounts",
        LineKind.MAXIMUM: "Reductions to the maximum",
        LineKind.MINIMUM: "Minimum",
        LineKind.CREDIT: "Credits",
        LineKind.TAX: "Tax",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLine:
    """One line at Stripe; `label` is unique within the invoice: a position of ours, or what was added up."""

    label: str
    description: str
    amount: Money
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    meter: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    count: int = 1
    """How many lines of ours it stands for."""


def told(*, invoice: Invoice, lines: Sequence[InvoiceLine]) -> tuple[ToldLine, ...]:
    """Return what Stripe is told of an invoice and its lines; the amounts add up to what is due, to the cent."""
    room = MAX_LINES - bool(invoice.prepaid)
    ordered = sorted(lines, key=lambda line: line.position)
    chosen = tuple(_as_it_is(invoice, line) for line in ordered)
    for group in (_by_rate_card, _by_kind):
        if len(chosen) <= room:
            break
        chosen = _summed(invoice, ordered, group)
    return (*chosen, _prepaid(invoice)) if invoice.prepaid else chosen


def _as_it_is(invoice: Invoice, line: InvoiceLine) -> ToldLine:
    return ToldLine(
        label=str(line.position),
        description=line.description,
        amount=Money(line.amount, invoice.currency),
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        meter=line.meter,
        quantity=line.quantity,
        unit=line.unit,
    )


def _prepaid(invoice: Invoice) -> ToldLine:
    """What prepaid credit has paid: Stripe collects the rest."""
    paid = Money(-invoice.prepaid, invoice.currency)
    return ToldLine(label=PREPAID, description="Paid from prepaid credit", amount=paid)


def _by_rate_card(line: InvoiceLine) -> tuple[str, str]:
    """The label and the words of the sum that a line goes into: its rate card, unit and kind; taxes by their rate."""
    if line.rate_card is None:
        return f"{line.kind}/{line.source}", line.description
    words = line.rate_card.name if line.kind == LineKind.CHARGE else f"{line.rate_card.name}: {_kind_name(line)}"
    return f"{line.kind}/{line.rate_card.key}/{line.unit}", words


def _by_kind(line: InvoiceLine) -> tuple[str, str]:
    return str(line.kind), _kind_name(line)


def _kind_name(line: InvoiceLine) -> str:
    return _KIND_NAMES[LineKind(line.kind)]


def _summed(
    invoice: Invoice, lines: Sequence[InvoiceLine], group: Callable[[InvoiceLine], tuple[str, str]]
) -> tuple[ToldLine, ...]:
    parts: dict[str, list[InvoiceLine]] = defaultdict(list)
    words: dict[str, str] = {}
    for line in lines:
        label, description = group(line)
        parts[label].append(line)
        words.setdefault(label, description)
    return tuple(_sum(invoice, label, words[label], found) for label, found in parts.items())


def _sum(invoice: Invoice, label: str, words: str, lines: Sequence[InvoiceLine]) -> ToldLine:
    units = {(line.meter, line.unit) for line in lines}
    meter, unit = units.pop() if len(units) == 1 else ("", "")
    return ToldLine(
        label=label,
        description=words,
        amount=Money(sum((line.amount for line in lines), Decimal(0)), invoice.currency),
        starts_at=min(line.starts_at for line in lines),
        ends_at=max(line.ends_at for line in lines),
        meter=meter,
        quantity=sum((line.quantity for line in lines), Decimal(0)) if meter else None,
        unit=unit,
        count=len(lines),
    )
