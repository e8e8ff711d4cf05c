"""Texts: drafts as rows of COPY, in PostgreSQL's own text form; each says what `invoicing.draft` would write."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec
from django.db.models import Model

from billing import surroundings
from billing.assessment import Assessment, Question, Reference
from billing.models import Invoice, InvoiceLine
from billing.proof import values
from billing.rating.lines import Line, LineKind, RatedPeriod

_INVOICE: Final = (
    *("id", "customer_id", "period_id", "moment", "version_id", "change_id", "currency"),
    *("subtotal", "tax", "carried", "total", "fold", "created_at", "tax_rule"),
)
_LINE: Final = (
    *("invoice_id", "position", "kind", "rate_card_id", "source", "terms", "adjusts_id", "description", "meter"),
    *("quantity", "unit", "amount", "starts_at", "ends_at", "detail"),
)
_LINES_KEPT: Final = 16_384
_NOTHING: Final = Decimal(0)
_NULL: Final = "\\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Text:
    """A draft and its lines without the invoice's number, which is known when they are written."""

    period_id: int
    invoice: str
    lines: Sequence[str]

    def invoice_row(self, number: int) -> str:
        """Return the invoice's row."""
        return f"{number}{self.invoice}"

    def line_rows(self, number: int) -> str:
        """Return the rows of its lines."""
        return "".join([f"{number}\t{position}{line}" for position, line in enumerate(self.lines, start=1)])


@dataclass(slots=True)
class Texts:
    """Makes the texts of drafts, those of a line that several customers share once."""

    created_at: datetime
    kept: dict[int, tuple[Line, Reference, str]] = field(default_factory=dict)

    def of(self, question: Question, assessed: Assessment) -> Text:
        """Return the text of a draft."""
        lines = [
            self._line(line, reference)
            for line, reference in zip(assessed.rated.lines, assessed.references, strict=True)
        ]
        return Text(question.period.pk, _invoice(question, assessed, self.created_at), lines)

    def _line(self, line: Line, reference: Reference) -> str:
        """Return a line's text; a line that is kept is known by its identity, for another cannot have it meanwhile."""
        kept = self.kept.get(id(line))
        if kept is not None and kept[1] == reference:
            return kept[2]
        text = _line(line, reference)
        if len(self.kept) >= _LINES_KEPT:
            self.kept.clear()
        self.kept[id(line)] = (line, reference, text)
        return text


def _invoice(question: Question, assessed: Assessment, created_at: datetime) -> str:
    period, rated = question.period, assessed.rated
    subtotal, tax = _sums(rated)
    total = subtotal + tax
    carried = max(-total, _NOTHING)
    version = surroundings.version_at_end(question.contract, question.cycle)
    return (
        f"\t{period.subscription.customer_id}\t{period.pk}\t{question.moment.value}\t{version.pk}\t{assessed.change_id}"
        f"\t{rated.currency}\t{subtotal!s}\t{tax!s}\t{carried!s}\t{total + carried!s}\t{rated.fold}"
        f"\t{_instant(created_at)}\t{_tax_rule(assessed)}"
        f"{_INVOICE_REST}\n"
    )


def _tax_rule(assessed: Assessment) -> str:
    return _encode({"rule": values.write(assessed.tax)}).decode().replace("\\", "\\\\")


def _sums(rated: RatedPeriod) -> tuple[Decimal, Decimal]:
    """Return `subtotal` and `tax` of what was rated, without money of each step: all lines are of one currency."""
    subtotal = tax = _NOTHING
    for line in rated.lines:
        if line.kind is LineKind.TAX:
            tax += line.amount.amount
        else:
            subtotal += line.amount.amount
    return subtotal, tax


def _line(line: Line, reference: Reference) -> str:
    detail = _encode(line.detail()).decode().replace("\\", "\\\\")  # what else COPY minds, JSON has escaped
    return (
        f"\t{line.kind}\t{_or_null(reference.rate_card_id)}\t{_escaped(line.source)}\t{reference.terms}"
        f"\t{_or_null(reference.adjusts_id)}\t{_escaped(line.description)}\t{line.meter}\t{line.quantity!s}"
        f"\t{_escaped(line.unit)}\t{line.amount.amount!s}\t{_instant(line.starts_at)}\t{_instant(line.ends_at)}"
        f"\t{detail}{_LINE_REST}\n"
    )


def _or_null(value: int | None) -> int | str:
    return _NULL if value is None else value


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


@lru_cache(maxsize=1024)
def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _rest(model: type[Model], given: Sequence[str]) -> Mapping[str, str]:
    """Return the columns of a model that are not given, with their defaults; those that the database fills are not."""
    return {column: _escaped(str(default)) for column, default in _defaults(model) if column not in given}


def _defaults(model: type[Model]) -> Iterator[tuple[str, Any]]:
    for one in model._meta.concrete_fields:
        if one.column is not None and not one.primary_key and not one.has_db_default():
            default = one.get_default()
            if default is not None:
                yield one.column, default


def _columns(model: type[Model], given: Sequence[str]) -> str:
    """Return the table and its columns as COPY names them."""
    return f"{model._meta.db_table} ({', '.join((*given, *_rest(model, given)))})"


def _constant(model: type[Model], given: Sequence[str]) -> str:
    return "".join(f"\t{text}" for text in _rest(model, given).values())


INVOICES: Final = _columns(Invoice, _INVOICE)
LINES: Final = _columns(InvoiceLine, _LINE)
_INVOICE_REST: Final = _constant(Invoice, _INVOICE)
_LINE_REST: Final = _constant(InvoiceLine, _LINE)
