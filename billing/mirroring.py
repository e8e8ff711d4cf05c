"""Mirroring: which amounts lower an invoice line for line, with each line's tax at the rate it was charged with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from django.db.models import Q, Sum

from billing.errors import BeyondInvoiceError
from billing.models import CreditNoteLine, Invoice, InvoiceLine, TaxRate
from billing.models.credit_notes import CreditNoteStatus
from billing.models.invoices import LineKind
from billing.money import Money, round_half_up, spread, total

_NOTHING: Final = Decimal(0)
_INSTANT: Final = timedelta(microseconds=1)
_RATE: Final = "tax:"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """By how much a line is lowered, with the line's own sign; never nothing."""

    line: InvoiceLine
    amount: Money


@dataclass(frozen=True, slots=True)
class Left:
    """A line of an invoice, and what no credit note has lowered of it yet; drafts of notes count."""

    line: InvoiceLine
    lowered: Decimal
    currency: str

    @property
    def amount(self) -> Money:
        """What is left."""
        return Money(self.line.amount - self.lowered, self.currency)


def left_of(*, invoice: Invoice) -> tuple[Left, ...]:
    """Return the lines of an invoice with what is left of each, in their order."""
    notes = CreditNoteLine.objects.filter(line__invoice=invoice).exclude(note__status=CreditNoteStatus.VOID)
    lowered = dict(notes.values_list("line").annotate(sum=Sum("amount")))
    lines = invoice.lines.select_related("rate_card").order_by("position")
    return tuple(Left(line, lowered.get(line.pk, _NOTHING), invoice.currency) for line in lines)


def whole(*, invoice: Invoice) -> tuple[Mirrored, ...]:
    """Return everything that is left of an invoice. Raises BeyondInvoiceError where that is nothing."""
    return _some(Mirrored(one.line, one.amount) for one in left_of(invoice=invoice))


def of_total(*, invoice: Invoice, amount: Money) -> tuple[Mirrored, ...]:
    """Return an amount, tax included, spread over all that is left: it appears as exactly that amount.

    Raises BeyondInvoiceError for more than is left, or nothing.
    """
    left = left_of(invoice=invoice)
    rest = total([one.amount for one in left], invoice.currency)
    if not Money(_NOTHING, invoice.currency) < amount <= rest:
        raise BeyondInvoiceError(f"{amount} cannot be credited: {rest} is left of invoice {invoice.number}.")
    parts = spread(amount, [one.amount for one in left])
    return _some(Mirrored(one.line, part) for one, part in zip(left, parts, strict=True))


def of_lines(*, invoice: Invoice, amounts: Mapping[int, Money]) -> tuple[Mirrored, ...]:
    """Return amounts before tax by the id of the line, with that line's sign, and the tax on them.

    Tax goes by what is credited in all: all notes that together credit every line credit every cent of its tax. Raises
    BeyondInvoiceError for a line that is none of the invoice's, a tax line, another sign, or more than is left.
    """
    left = {one.line.pk: one for one in left_of(invoice=invoice)}
    _require_within(invoice, left, amounts)
    mirrored = [Mirrored(left[pk].line, amount) for pk, amount in amounts.items()]
    lines = list(left.values())
    taxes = [one for one in lines if one.line.kind == LineKind.TAX and one.line.amount]
    mirrored += [Mirrored(tax.line, _tax_share(tax, lines, amounts)) for tax in taxes]
    return _some(sorted(mirrored, key=lambda part: part.line.position))


def _some(parts: Iterable[Mirrored]) -> tuple[Mirrored, ...]:
    found = tuple(part for part in parts if part.amount)
    if not found:
        raise BeyondInvoiceError("Nothing is left to credit.")
    return found


def _require_within(invoice: Invoice, left: Mapping[int, Left], amounts: Mapping[int, Money]) -> None:
    for pk, amount in amounts.items():
        one = left.get(pk)
        if one is None or one.line.kind == LineKind.TAX:
            raise BeyondInvoiceError(f"Line {pk} is no line before tax of invoice {invoice.number}.")
        same_sign = amount.amount * one.line.amount >= 0
        if not same_sign or abs(amount.amount) > abs(one.amount.amount):
            raise BeyondInvoiceError(f"{one.amount} is left of line {one.line.position}, not {amount}.")


def _tax_share(tax: Left, lines: Sequence[Left], amounts: Mapping[int, Money]) -> Money:
    """Return the tax on what is credited so far and now, less what was credited of it before."""
    taxed = _taxed(tax.line, lines)
    base = sum((one.line.amount for one in taxed), _NOTHING)
    if not base:
        return Money(_NOTHING, tax.currency)
    now = sum((amounts[one.line.pk].amount for one in taxed if one.line.pk in amounts), _NOTHING)
    credited = now + sum((one.lowered for one in taxed), _NOTHING)
    exact = Fraction(tax.line.amount) * Fraction(credited) / Fraction(base)
    share = round_half_up(exact, tax.currency).amount - tax.lowered
    sign = 1 if tax.line.amount > 0 else -1
    return Money(sign * min(max(sign * share, _NOTHING), abs(tax.amount.amount)), tax.currency)


def _taxed(tax: InvoiceLine, lines: Sequence[Left]) -> list[Left]:
    """Return the lines that a tax is on; all, where its rate is not ours or does not say it any more."""
    plain = [one for one in lines if one.line.kind != LineKind.TAX]
    key = tax.source.removeprefix(_RATE)
    rate = TaxRate.objects.filter(pk=int(key)).first() if tax.source.startswith(_RATE) and key.isdigit() else None
    if rate is None:
        return plain
    at = tax.ends_at - _INSTANT
    in_force = Q(starts_at__lte=at) & (Q(ends_at=None) | Q(ends_at__gt=at))
    known = set(TaxRate.objects.filter(in_force, jurisdiction=rate.jurisdiction).values_list("category", flat=True))
    chosen = defaultdict[str, list[Left]](list)
    for one in plain:
        category = one.line.rate_card.tax_category if one.line.rate_card else ""
        chosen[category if category in known else ""].append(one)
    found = chosen[rate.category]
    return found if sum((one.line.amount for one in found), _NOTHING) == _base_of(tax) else plain


def _base_of(tax: InvoiceLine) -> Decimal | None:
    """Return what the formula of a tax line says it is on."""
    try:
        return Decimal(tax.detail[0]["quantity"])
    except (IndexError, KeyError, TypeError, InvalidOperation):
        return None
